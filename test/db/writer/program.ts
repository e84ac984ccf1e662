/** Programs for the model of the writer: who asks for what, and where they pause before. */
import fc from 'fast-check'
import type { Op, Step } from './commands/playing.ts'

export const KEYS = ['k1', 'k2', 'k3', 'k4']

/** What lets others go on: nothing, other promises, the end of the tick, a timer, or news of a file. */
export type Pause = 'none' | 'microtask' | 'immediate' | 'timer' | 'poll'

export interface Caller {
  kind: 'caller'
  pause: Pause
  steps: Step[]
}

export interface Reader {
  kind: 'reader'
  pause: Pause
}

/** Another process. */
export interface Foreigner {
  kind: 'foreigner'
  pause: Pause
  holds: Pause[]
  commits: boolean
}

export type Actor = Caller | Reader | Foreigner

const pause = fc.constantFrom<Pause>('none', 'microtask', 'immediate', 'timer', 'poll')
const keyed = fc.record({
  do: fc.constantFrom('set' as const, 'insert' as const, 'touch' as const),
  key: fc.constantFrom(...KEYS)
})
const refusal = fc.constant<Op>({ do: 'refuse' })
const failure = fc.constantFrom<Op>({ do: 'flood' }, { do: 'orphan' })
const end = fc.constantFrom<Op>({ do: 'die' }, { do: 'die' }, { do: 'break the disk' })
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 120, arbitrary: keyed },
  { weight: 12, arbitrary: refusal },
  { weight: 8, arbitrary: failure },
  { weight: 1, arbitrary: end }
)
const steps = fc.array(fc.record({ op, pauses: fc.boolean(), isCaught: fc.boolean() }), { maxLength: 5 })

const actor: fc.Arbitrary<Actor> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('caller' as const), pause, steps }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reader' as const), pause }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('foreigner' as const),
      pause,
      holds: fc.array(pause, { maxLength: 3 }),
      commits: fc.boolean()
    })
  }
)

/** Actors that all begin together, each after its first pause. */
export const program: fc.Arbitrary<Actor[]> = fc.array(actor, { minLength: 1, maxLength: 14 })
