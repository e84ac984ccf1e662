/** One instance and several on one database, beside the service on SQLite. */
import path from 'node:path'
import type { Contenders } from './contenders.ts'
import { prepareLoad } from './load.ts'
import { type Entry, failedIn, interleave, type Measured, type Pace } from './measuring.ts'
import { countRoundTrips, type RoundTrips } from './round-trips.ts'
import { type Scenario, scenarioOf } from './scenarios.ts'

/** Which scenarios, on how many instances. */
export interface Plan {
  names: string[]
  counts: number[]
}

const PLAN: Plan = { names: ['one-author', 'first-page', 'create', 'update', 'mix'], counts: [1, 2, 3, 4] }

/** What was measured in a scenario, of the raw server and of each of the others. */
export interface Instances {
  scenario: Scenario
  raw: Measured[]
  rows: { title: string; runs: Measured[]; roundTrips?: RoundTrips }[]
  failed: number
}

export async function measureInstances(
  contenders: Contenders,
  folder: string,
  pace: Pace,
  { names, counts }: Plan = PLAN
): Promise<Instances[]> {
  const all: Instances[] = []
  for (const name of names) {
    all.push(await measureScenario(scenarioOf(name), counts, contenders, folder, pace))
  }
  return all
}

async function measureScenario(
  scenario: Scenario,
  counts: number[],
  contenders: Contenders,
  folder: string,
  pace: Pace
): Promise<Instances> {
  const [service, sqlite, raw] = [
    await contenders.service(),
    await contenders.sqlite(),
    await contenders.raw()
  ]
  const requests = await scenario.requests(service.context)
  await raw.imitate(service.url, requests)
  const load = prepareLoad(path.join(folder, `${scenario.name}-instances`), requests, scenario.connections)
  const file = path.join(folder, `${scenario.name}-sqlite`)
  const sqliteLoad = prepareLoad(file, await scenario.requests(sqlite.context), scenario.connections)
  const entries: Entry[] = [
    { contender: raw, load },
    { contender: sqlite, load: sqliteLoad }
  ]
  for (const count of counts) entries.push({ contender: await contenders.instances(count), load })
  const [ofRaw = [], ofSqlite = [], ...ofInstances] = await interleave(entries, pace)
  const rows: Instances['rows'] = [{ title: 'SQLite', runs: ofSqlite }]
  for (const [index, runs] of ofInstances.entries()) {
    const count = counts[index] as number
    // Each instance has its share of the clients.
    const share = { ...load, connections: Math.ceil(load.connections / count) }
    const roundTrips = await countRoundTrips(contenders, folder, { load: share, requests })
    rows.push({
      title: `PostgreSQL, ${count === 1 ? 'one instance' : `${count} instances`}`,
      runs,
      roundTrips
    })
  }
  return { scenario, raw: ofRaw, rows, failed: failedIn([ofRaw, ofSqlite, ...ofInstances].flat()) }
}
