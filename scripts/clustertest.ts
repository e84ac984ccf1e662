/** `npm run clustertest -- KILLS`: a cluster of its own, in which instances, connections and databases are killed under load. Linux only. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { ClusterCampaign, type Scenario } from './cluster/campaign.ts'
import { backendKill, failover, instanceKill, rollingRestart } from './cluster/scenarios.ts'
import { helpIfAsked } from './command-line/read.ts'

const WRITERS = 24
const ANSWERS = 150
const FAULTS_SHOWN = 20
const KILLS = [instanceKill, backendKill, backendKill, failover, instanceKill, backendKill]
/** Of so many rounds one is a rolling restart. */
const RESTART_EVERY = 20

/** What to do in which round. */
function scenarioOf(round: number): Scenario {
  if (round % RESTART_EVERY === 0) return rollingRestart
  return KILLS[round % KILLS.length] as Scenario
}

/** Runs so many kills, and restarts between them; tells the faults. */
export async function clustertest(kills: number, folder: string, log: (line: string) => void) {
  const campaign = await ClusterCampaign.begin(folder, WRITERS)
  const { journal } = campaign
  try {
    for (let round = 0, killed = 0; killed < kills; round++) {
      const scenario = scenarioOf(round)
      const report = journal.report()
      const { answered, failed, recovery } = await campaign.run(scenario, ANSWERS)
      const { counts, faults } = report()
      log(
        `round ${round + 1}: ${scenario.name}, ${answered} answered, ${failed} failed, next answer after ${Math.round(recovery)} ms, ` +
          `${counts.acknowledged} writes acknowledged, ${counts.unknown} unknown, ${counts.lost} lost`
      )
      for (const fault of faults.slice(0, FAULTS_SHOWN)) log(`  ${fault}`)
      if (scenario !== rollingRestart) killed += 1
    }
  } finally {
    await campaign.end()
  }
  return { ...journal.counts, faults: journal.faults }
}

const USAGE = 'usage: npm run clustertest -- KILLS'

async function main(kills: number): Promise<void> {
  if (!Number.isInteger(kills) || kills < 1) throw new Error(USAGE)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-cluster-'))
  console.log(`databases: ${folder} (kept if anything goes wrong)`)
  const { acknowledged, unknown, lost, faults } = await clustertest(kills, folder, console.log)
  if (faults.length === 0) rmSync(folder, { recursive: true })
  console.log(
    `${kills} kills, ${acknowledged} writes acknowledged, ${unknown} unknown, ${lost} lost, ${faults.length} faults`
  )
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  await main(Number(process.argv[2] ?? 20)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
