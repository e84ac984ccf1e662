/**
 * Tries every long run in every place of every operation, or every `step`-th (`node scripts/attacktest.ts 11`), and tells what takes
 * too long, and what the longest. All of them take some minutes.
 */

import { type Cost, MOST_MS, measure } from './attacks/measure.ts'
import { helpIfAsked } from './command-line/read.ts'

function report(kind: keyof typeof MOST_MS, costs: Cost[]): void {
  const slowest = costs.toSorted((a, b) => b.cost - a.cost)
  const tooSlow = slowest.filter(({ cost }) => cost > MOST_MS[kind])
  console.log(`${costs.length} ${kind}, ${tooSlow.length} too slow; the slowest, in ms of processor time:`)
  for (const { title, cost } of slowest.slice(0, Math.max(5, tooSlow.length))) {
    console.log(cost.toFixed(1).padStart(8), title)
  }
  if (tooSlow.length > 0) process.exitCode = 1
}

helpIfAsked('usage: npm run attacktest -- [STEP]')
const { requests, files } = await measure(Number(process.argv[2] ?? 1))
report('requests', requests)
report('files', files)
