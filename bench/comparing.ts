/** The scenarios, with the service beside its rivals. */
import path from 'node:path'
import type { Competitor, Contenders } from './contenders.ts'
import { type Load, prepareLoad } from './load.ts'
import { type Entry, failedIn, interleave, type Measured, type Pace } from './measuring.ts'
import { countUnexpected } from './requests.ts'
import { countRoundTrips, type RoundTrips } from './round-trips.ts'
import type { Rival, Scenario } from './scenarios.ts'

/** So many requests are looked at more closely, before and after: wrk tells no 200 from a 304. */
const PROBES = 20

/** What was measured in a scenario. */
export interface Outcome {
  scenario: Scenario
  service: Measured[]
  rivals: Partial<Record<Rival, Measured[]>>
  /** Of the service, where its database is on a server. */
  roundTrips?: RoundTrips | undefined
  failed: number
}

/** Asks the service and its rivals the same, in turn. */
export async function compare(
  scenario: Scenario,
  contenders: Contenders,
  folder: string,
  pace: Pace
): Promise<Outcome> {
  const { rivals } = scenario
  const service = await contenders.service()
  const requests = await scenario.requests(service.context)
  if (rivals.includes('raw')) await (await contenders.raw()).imitate(service.url, requests)
  const load = prepareLoad(path.join(folder, scenario.name), requests, scenario.connections)
  const entries: Entry[] = [{ contender: service, load }]
  for (const rival of rivals) {
    const contender = await contenders[rival]()
    entries.push({
      contender,
      load: OTHER_TOKENS.has(rival) ? await loadOf(rival, scenario, contenders, folder) : load
    })
  }
  const probe = () => countUnexpected(service.url, requests.slice(0, PROBES))
  const unexpected = await probe()
  const [ofService = [], ...ofRivals] = await interleave(entries, pace)
  const failed = unexpected + failedIn([ofService, ...ofRivals].flat()) + (await probe())
  const runs = Object.fromEntries(rivals.map((rival, index) => [rival, ofRivals[index]]))
  const roundTrips = service.databaseCpu && (await countRoundTrips(contenders, folder, { load, requests }))
  return { scenario, service: ofService, rivals: runs, roundTrips, failed }
}

/** These have users of their own. */
const OTHER_TOKENS = new Set<Rival>(['plain', 'sqlite'])

async function loadOf(
  rival: Rival,
  scenario: Scenario,
  contenders: Contenders,
  folder: string
): Promise<Load> {
  const { context } = (await contenders[rival]()) as Competitor
  const file = path.join(folder, `${scenario.name}-${rival}`)
  return prepareLoad(file, await scenario.requests(context), scenario.connections)
}
