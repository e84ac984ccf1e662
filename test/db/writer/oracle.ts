import type { Report, Step } from './commands/playing.ts'

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

/** What a command must report and write, from what it finds. */
export function expected(who: string, steps: Step[], found: Report['found']) {
  const entries = new Map(found.entries)
  const effects: Effect[] = []
  const outcomes: Report['outcomes'] = []
  let end: End = 'done'
  for (const [index, { op, isCaught }] of steps.entries()) {
    if (op.do === 'refuse') return { end: 'refused', outcomes: [...outcomes, 'refused'], effects: [] }
    if (op.do === 'orphan') {
      end = 'failed'
      outcomes.push(1)
    } else if (!('key' in op)) return { end: 'lost', outcomes, effects }
    else {
      const outcome = apply(entries, op, `${who}.${index}`)
      outcomes.push(outcome)
      if (outcome === 1) effects.push({ key: op.key, value: `${who}.${index}` })
      if (outcome === 'duplicate' && !isCaught) return { end: 'refused', outcomes, effects: [] }
    }
  }
  return { end, outcomes, effects }
}

function apply(entries: Map<string, string>, op: { do: string; key: string }, value: string) {
  const isThere = entries.has(op.key)
  if (op.do === 'insert' && isThere) return 'duplicate'
  if (op.do === 'touch' && !isThere) return 0
  entries.set(op.key, value)
  return 1
}
