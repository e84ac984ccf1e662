import type { Compared } from './compare.ts'
import type { Tell } from './events.ts'
import type { MoveSource, MoveTarget } from './side.ts'

/** What lies beside a database or in it, and is no row that may be copied as it is. */
export interface Companion {
  /** Throws a refusal when it cannot be moved. */
  check(): Promise<void>
  move(): Promise<void>
  /** Of a target that was complete before: what it has by now stays. */
  confirm(): Promise<void>
}

export interface MoveOptions {
  source: MoveSource
  target: MoveTarget
  companion: Companion
  tell: Tell
  /** Of a slice, if fewer than usual. */
  mostRows?: number | undefined
}

export interface Moved {
  tables: Compared[]
  /** How many rows were copied now; those of runs before were there already. */
  copied: number
  /** Whether an earlier run had done all. */
  wasComplete: boolean
}
