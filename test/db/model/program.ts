/** What programs for a model of the writer are made of: who asks for what, and where they pause before. */
import fc from 'fast-check'
import type { Op, Step } from './playing.ts'

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

/** Somebody who writes in another way. */
export interface Foreigner {
  kind: 'foreigner'
  pause: Pause
  holds: Pause[]
  commits: boolean
}

const KEYS = ['k1', 'k2', 'k3', 'k4']

const keyed = fc.record({
  do: fc.constantFrom('set' as const, 'insert' as const, 'touch' as const),
  key: fc.constantFrom(...KEYS)
})
const refusal = fc.constant<Op>({ do: 'refuse' })

/** Some steps, of which a few fail as this engine can. */
export function stepsWith(...failures: fc.WeightedArbitrary<Op>[]): fc.Arbitrary<Step[]> {
  const op: fc.Arbitrary<Op> = fc.oneof(
    { weight: 120, arbitrary: keyed },
    { weight: 12, arbitrary: refusal },
    ...failures
  )
  return fc.array(fc.record({ op, pauses: fc.boolean(), isCaught: fc.boolean() }), { maxLength: 5 })
}

export function foreigner(pause: fc.Arbitrary<Pause>): fc.Arbitrary<Foreigner> {
  return fc.record({
    kind: fc.constant('foreigner' as const),
    pause,
    holds: fc.array(pause, { maxLength: 3 }),
    commits: fc.boolean()
  })
}
