/** `npm run crashtest -- ROUNDS`: kills the service during its writes, starts it again, and looks for what it had acknowledged. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describeDatabase } from '../db/dialect.ts'
import { helpIfAsked } from './command-line/read.ts'
import { Campaign, type Plan } from './crash/campaign.ts'
import type { Counts } from './crash/journal.ts'
import type { Moment } from './crash/killer.ts'
import { type Place, placeIn } from './crash/place.ts'

/** Of so many rounds at least one kills at each of the moments, and one kills again while the service starts. */
const EACH_MOMENT_EVERY = 8
const OPENING_EVERY = 10
const MOMENTS = new Map<Moment, string>([
  ['checkpoint', 'in a checkpoint'],
  ['importing', 'while an import was written'],
  ['deleting', 'while an account was deleted'],
  ['staging', 'while an import was staged']
])
const WRITERS = 100
const FAULTS_SHOWN = 20

export interface CrashTest {
  rounds: number
  place: Place
  /** How many clients write single authors. */
  writers: number
  log: (line: string) => void
  /** Damages the data while the service is down after the last round, to prove that it would be noticed. */
  sabotage?: (databaseUrl: string, campaign: Campaign) => void | Promise<void>
}

/** Runs the rounds on one database; the faults say all that was not as it must be. */
export async function crashtest({ rounds, place, writers, log, sabotage }: CrashTest) {
  const campaign = await Campaign.begin({ place, writers })
  const { journal } = campaign
  const kills = new Map(momentsOf(place).map((moment) => [moment, 0]))

  function planOf(round: number): Plan {
    const isDue = ([, count]: [Moment, number], index: number) =>
      count < Math.ceil((round - index) / EACH_MOMENT_EVERY)
    return {
      // A kill that came too late for one is made up for.
      moment: [...kills].find(isDue)?.[0],
      whileOpening: round % OPENING_EVERY === 3,
      isLast: round === rounds
    }
  }

  async function run(plan: Plan): Promise<string> {
    const moments = await campaign.crash(plan)
    if (plan.isLast) await sabotage?.(place.databaseUrl, campaign)
    const wasOpening = await campaign.restart(plan)
    moments.push(...(await campaign.compare(plan)))
    for (const moment of moments) kills.set(moment, (kills.get(moment) ?? 0) + 1)
    const how = moments.map((moment) => `, ${MOMENTS.get(moment)}`).join('')
    return `${how}${wasOpening ? ', and again while it started' : ''}`
  }

  try {
    for (let round = 1; round <= rounds; round++) {
      const report = journal.report()
      const how = await run(planOf(round))
      const { counts, faults } = report()
      log(`round ${round}: ${told(counts)}${how}`)
      for (const fault of faults.slice(0, FAULTS_SHOWN)) log(`  ${fault}`)
    }
  } finally {
    await campaign.end()
  }
  const killed = [...kills].map(([moment, count]) => `${count} ${MOMENTS.get(moment)}`).join(', ')
  log(`${rounds} rounds, ${told(journal.counts)}; killed ${killed}`)
  return { ...journal.counts, kills, faults: journal.faults }
}

/** A server's checkpoints are its own. */
function momentsOf({ spoolDir }: Place): Moment[] {
  return [...MOMENTS.keys()].filter((moment) => spoolDir === undefined || moment !== 'checkpoint')
}

function told({ acknowledged, unknown, lost }: Counts): string {
  return `${acknowledged} acknowledged, ${unknown} unknown, ${lost} lost`
}

const USAGE = `usage: npm run crashtest -- ROUNDS
  on a new file, or on the server that DATABASE_URL names, in a new database`

async function main(rounds: number): Promise<void> {
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(USAGE)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-crash-'))
  const place = placeIn(folder)
  console.log(`database: ${describeDatabase(place.databaseUrl)} (kept if anything goes wrong)`)
  const { faults } = await crashtest({ rounds, place, writers: WRITERS, log: console.log })
  if (faults.length === 0) rmSync(folder, { recursive: true })
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  await main(Number(process.argv[2] ?? 10)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
