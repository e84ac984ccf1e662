/** Whether a larger catalogue is a slower one. */
import path from 'node:path'
import { type Competitor, startCompetitor } from './contenders.ts'
import type { Fixture } from './fixture.ts'
import { prepareLoad } from './load.ts'
import { type Entry, failedIn, interleave, type Measured, type Pace } from './measuring.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'

/** A login asks nothing of the catalogue. */
const OF_CATALOGUE = SCENARIOS.filter(({ name }) => name !== 'login')

/** What was measured at each size of the catalogue. */
export interface Growth {
  scenario: Scenario
  bySize: { authors: number; runs: Measured[] }[]
  failed: number
}

/** All but logins, on a service for each of the fixtures, in turn. */
export async function measureGrowth(fixtures: Fixture[], folder: string, pace: Pace): Promise<Growth[]> {
  const services: Competitor[] = []
  try {
    for (const fixture of fixtures) services.push(await startCompetitor(fixture))
    const growths: Growth[] = []
    for (const scenario of OF_CATALOGUE) growths.push(await growthOf(scenario, services, folder, pace))
    return growths
  } finally {
    for (const service of services) await service.end()
  }
}

async function growthOf(
  scenario: Scenario,
  services: Competitor[],
  folder: string,
  pace: Pace
): Promise<Growth> {
  const entries: Entry[] = []
  for (const contender of services) {
    const { context } = contender
    const file = path.join(folder, `${scenario.name}-${context.ids.length}`)
    const load = prepareLoad(file, await scenario.requests(context), scenario.connections)
    entries.push({ contender, load })
  }
  const runs = await interleave(entries, pace)
  const bySize = services.map(({ context }, index) => ({
    authors: context.ids.length,
    runs: runs[index] ?? []
  }))
  return { scenario, bySize, failed: failedIn(runs.flat()) }
}
