import type { Effect } from '../writer/oracle.ts'
import type { Report, Step } from './commands/playing.ts'

/** How a command must end; `failed` at its commit. */
export type End = 'done' | 'refused' | 'failed'

interface Expected {
  end: End
  outcomes: Report['outcomes']
  effects: Effect[]
}

/** What a command must report and write, from what it finds. */
export function expected(who: string, steps: Step[], found: Report['found']): Expected {
  const entries = new Map(found.entries)
  const effects: Effect[] = []
  const outcomes: Report['outcomes'] = []
  let end: End = 'done'
  for (const [index, { op, isCaught }] of steps.entries()) {
    const value = `${who}.${index}`
    const outcome = outcomeOf(entries, op)
    outcomes.push(outcome)
    const isBad = typeof outcome !== 'number'
    if (op.do === 'refuse' || (isBad && !isCaught)) return { end: 'refused', outcomes, effects: [] }
    if (op.do === 'orphan') end = 'failed'
    if (outcome !== 1 || !('key' in op)) continue
    entries.set(op.key, value)
    effects.push({ key: op.key, value })
  }
  return { end, outcomes, effects }
}

function outcomeOf(entries: Map<string, string>, op: Step['op']): number | string {
  if (op.do === 'refuse') return 'refused'
  if (op.do === 'abort') return 'aborted'
  if (op.do === 'kill') return 0
  if (op.do === 'orphan') return 1
  if (op.do === 'insert' && entries.has(op.key)) return 'duplicate'
  return op.do === 'touch' && !entries.has(op.key) ? 0 : 1
}
