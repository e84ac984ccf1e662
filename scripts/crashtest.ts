/** `npm run crashtest -- ROUNDS`: kills the service during its writes, starts it again, and looks for what it had acknowledged. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Campaign, type Plan } from './crash/campaign.ts'
import type { Counts } from './crash/journal.ts'

/** Of so many rounds at least one kills in a checkpoint, and one kills again while the service starts. */
const CHECKPOINT_EVERY = 8
const OPENING_EVERY = 10
const FAULTS_SHOWN = 20

export interface CrashTest {
  rounds: number
  databaseFile: string
  log: (line: string) => void
  /** Damages the data while the service is down after the last round, to prove that it would be noticed. */
  sabotage?: (databaseFile: string, campaign: Campaign) => void
}

/** Runs the rounds on one database; the faults say all that was not as it must be. */
export async function crashtest({ rounds, databaseFile, log, sabotage }: CrashTest) {
  const campaign = await Campaign.begin(databaseFile)
  const { journal } = campaign
  let checkpoints = 0

  function planOf(round: number): Plan {
    return {
      // A kill that came too late for one is made up for.
      inCheckpoint: checkpoints < Math.ceil((round - 1) / CHECKPOINT_EVERY),
      whileOpening: round % OPENING_EVERY === 3,
      isLast: round === rounds
    }
  }

  try {
    for (let round = 1; round <= rounds; round++) {
      const plan = planOf(round)
      const report = journal.report()
      const wasInCheckpoint = await campaign.crash(plan)
      if (plan.isLast) sabotage?.(databaseFile, campaign)
      const wasOpening = await campaign.restart(plan)
      await campaign.compare(plan)
      if (wasInCheckpoint) checkpoints += 1
      const how = `${wasInCheckpoint ? ', in a checkpoint' : ''}${wasOpening ? ', and again while it started' : ''}`
      const { counts, faults } = report()
      log(`round ${round}: ${told(counts)}${how}`)
      for (const fault of faults.slice(0, FAULTS_SHOWN)) log(`  ${fault}`)
    }
  } finally {
    await campaign.end()
  }
  log(`${rounds} rounds, ${told(journal.counts)}, ${checkpoints} during a checkpoint`)
  return { ...journal.counts, checkpoints, faults: journal.faults }
}

function told({ acknowledged, unknown, lost }: Counts): string {
  return `${acknowledged} acknowledged, ${unknown} unknown, ${lost} lost`
}

async function main(rounds: number): Promise<void> {
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('usage: npm run crashtest -- ROUNDS')
  const folder = mkdtempSync(path.join(tmpdir(), 'library-crash-'))
  const databaseFile = path.join(folder, 'library.db')
  console.log(`database: ${databaseFile} (kept if anything goes wrong)`)
  const { faults } = await crashtest({ rounds, databaseFile, log: console.log })
  if (faults.length === 0) rmSync(folder, { recursive: true })
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  await main(Number(process.argv[2] ?? 10)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
