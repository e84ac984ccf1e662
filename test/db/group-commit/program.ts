/** Programs for the model of the driver: who does what to one table, and where they pause between. */
import fc from 'fast-check'

export const KEYS = ['k1', 'k2', 'k3', 'k4']
const SAVEPOINTS = ['a', 'b', 'member']

/** What lets others go on: nothing, other promises, the end of the event loop's round, a timer, or its next look for news. */
export type Pause = 'none' | 'microtask' | 'immediate' | 'timer' | 'poll'

/** `flood` fills the disk, upon which SQLite undoes the whole transaction; `orphan` breaks a foreign key at COMMIT. */
export type Write = { do: 'set' | 'insert' | 'touch'; key: string } | { do: 'flood' } | { do: 'orphan' }
export type Savepoint = { do: 'savepoint' | 'rollbackTo' | 'release'; name: string }
export type Change = Write | Savepoint
export type Op = Change | { do: 'read' } | { do: 'readOutside' }

export interface Step {
  pause: Pause
  op: Op
  /** Whether the transaction goes on after a refusal. */
  isCaught: boolean
}

export interface SingleWrite {
  kind: 'write'
  pause: Pause
  op: Write
}

export interface Reader {
  kind: 'reader'
  pause: Pause
  /** Whether it asks for the data's version first, and so opens a snapshot. */
  glances: boolean
}

export interface Transaction {
  kind: 'transaction' | 'controlled'
  pause: Pause
  steps: Step[]
  commits: boolean
}

/** Another process. */
export interface Foreigner {
  kind: 'foreign'
  pause: Pause
  holds: Pause[]
  commits: boolean
}

/** After it the disk takes nothing any more: the next sync fails. */
export interface DiskFailure {
  kind: 'disk failure'
  pause: Pause
}

export type Actor = SingleWrite | Reader | Transaction | Foreigner | DiskFailure

const pause = fc.constantFrom<Pause>('none', 'microtask', 'immediate', 'timer', 'poll')
const keyed = fc.record({
  do: fc.constantFrom('set' as const, 'insert' as const, 'touch' as const),
  key: fc.constantFrom(...KEYS)
})
const failing = fc.constantFrom<Write>({ do: 'flood' }, { do: 'orphan' })
const write = fc.oneof({ weight: 30, arbitrary: keyed }, { weight: 1, arbitrary: failing })
const reading = fc.constantFrom<Op>({ do: 'read' }, { do: 'readOutside' })
const savepoint = fc.record({
  do: fc.constantFrom('savepoint' as const, 'rollbackTo' as const, 'release' as const),
  name: fc.constantFrom(...SAVEPOINTS)
})

function steps(op: fc.Arbitrary<Op>): fc.Arbitrary<Step[]> {
  return fc.array(fc.record({ pause, op, isCaught: fc.boolean() }), { maxLength: 6 })
}

const mostly = fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false))
const actor: fc.Arbitrary<Actor> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('write' as const), pause, op: write }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('reader' as const), pause, glances: fc.boolean() })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('transaction' as const),
      pause,
      steps: steps(fc.oneof(write, write, reading)),
      commits: mostly
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('controlled' as const),
      pause,
      steps: steps(fc.oneof(write, reading, savepoint, savepoint)),
      commits: mostly
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('foreign' as const),
      pause,
      holds: fc.array(pause, { maxLength: 3 }),
      commits: fc.boolean()
    })
  }
)

const actors = fc.array(actor, { minLength: 1, maxLength: 14 })
const diskFailure = fc.record({ kind: fc.constant('disk failure' as const), pause })

/** Actors that all begin together, each after its first pause. */
export const program: fc.Arbitrary<Actor[]> = fc.oneof(
  { weight: 5, arbitrary: actors },
  { weight: 1, arbitrary: fc.tuple(actors, diskFailure).map(([others, failure]) => [failure, ...others]) }
)
