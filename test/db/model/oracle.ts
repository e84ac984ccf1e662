import type { Found, Op, Report, Step } from './playing.ts'

/** A change as the table's triggers write it down. */
export interface Effect {
  key: string
  value: string
}

/** The table in the order of its keys. */
export function replay(effects: Effect[]): [string, string][] {
  return [...new Map(effects.map(({ key, value }) => [key, value]))].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** How a command must end: `lost` with the whole batch, `failed` at its commit. */
export type End = 'done' | 'refused' | 'failed' | 'lost'

interface Expected {
  end: End
  outcomes: Report['outcomes']
  effects: Effect[]
}

/** What a command must report and write, from what it finds. */
export function expected(who: string, steps: Step[], found: Found): Expected {
  const entries = new Map(found.entries)
  const effects: Effect[] = []
  const outcomes: Report['outcomes'] = []
  let end: End = 'done'
  for (const [index, { op, isCaught }] of steps.entries()) {
    const outcome = outcomeOf(entries, op)
    if (outcome === 'lost') return { end: 'lost', outcomes, effects }
    outcomes.push(outcome)
    const isBad = typeof outcome !== 'number' && !isCaught
    if (op.do === 'refuse' || isBad) return { end: 'refused', outcomes, effects: [] }
    if (op.do === 'orphan') end = 'failed'
    if (outcome !== 1 || !('key' in op)) continue
    const value = `${who}.${index}`
    entries.set(op.key, value)
    effects.push({ key: op.key, value })
  }
  return { end, outcomes, effects }
}

const OUTCOMES: Partial<Record<Op['do'], number | string>> = {
  refuse: 'refused',
  abort: 'aborted',
  kill: 0,
  orphan: 1,
  flood: 'lost',
  die: 'lost',
  'break the disk': 'lost'
}

function outcomeOf(entries: Map<string, string>, op: Op): number | string {
  if (!('key' in op)) return OUTCOMES[op.do] as number | string
  if (op.do === 'insert' && entries.has(op.key)) return 'duplicate'
  return op.do === 'touch' && !entries.has(op.key) ? 0 : 1
}
