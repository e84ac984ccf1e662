import type { Change } from './program.ts'

/** A change as the table's triggers write it down. */
export interface Effect {
  key: string
  value: string
}

export type Entries = Map<string, string>

export function replay(effects: Effect[]): Entries {
  return new Map(effects.map(({ key, value }) => [key, value]))
}

/** What comes of an operation: so many rows changed, or why not. */
export type Outcome = number | 'duplicate' | 'no such savepoint' | 'full' | 'lost' | 'broken' | 'unknown'

/** What a transaction must see and do, from what it finds at its beginning. */
export class Draft {
  entries: Entries
  effects: Effect[] = []
  isLost = false
  #savepoints: { name: string; entries: Entries; effects: Effect[] }[] = []

  constructor(entries: Entries) {
    this.entries = new Map(entries)
  }

  apply(op: Change, value: string): Outcome {
    if (this.isLost) return 'lost'
    if (op.do === 'flood') {
      this.isLost = true
      return 'full'
    }
    if (op.do === 'orphan') return 1
    if ('name' in op) return this.#move(op.do, op.name)
    const isThere = this.entries.has(op.key)
    if (op.do === 'insert' && isThere) return 'duplicate'
    if (op.do === 'touch' && !isThere) return 0
    this.entries.set(op.key, value)
    this.effects.push({ key: op.key, value })
    return 1
  }

  #move(command: 'savepoint' | 'rollbackTo' | 'release', name: string): Outcome {
    if (command === 'savepoint') {
      this.#savepoints.push({ name, entries: new Map(this.entries), effects: [...this.effects] })
      return 0
    }
    const index = this.#savepoints.findLastIndex((savepoint) => savepoint.name === name)
    const found = this.#savepoints[index]
    if (found === undefined) return 'no such savepoint'
    if (command === 'rollbackTo') {
      this.entries = new Map(found.entries)
      this.effects = [...found.effects]
    }
    this.#savepoints.length = command === 'rollbackTo' ? index + 1 : index
    return 0
  }
}
