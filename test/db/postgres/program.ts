/** Programs for the model of several instances: who asks for what, and where they pause before. */
import fc from 'fast-check'
import type { Op, Step } from './commands/playing.ts'

const KEYS = ['k1', 'k2', 'k3', 'k4']
export const INSTANCES = 3

/** What lets others go on: nothing, other promises, the end of the tick, or a few milliseconds. */
export type Pause = 'none' | 'microtask' | 'immediate' | 'timer'

interface Asking {
  pause: Pause
  instance: number
}
export type Caller = Asking & { kind: 'caller'; steps: Step[] }
export type Reader = Asking & { kind: 'reader' }
/** The operator ends the connection on which an instance writes, or all connections. */
export type Killer = Asking & { kind: 'killer'; ofAll: boolean }
/** Somebody who writes by hand. */
export interface Foreigner {
  kind: 'foreigner'
  pause: Pause
  holds: Pause[]
  commits: boolean
}
export type Actor = Caller | Reader | Killer | Foreigner

const pause = fc.constantFrom<Pause>('none', 'microtask', 'immediate', 'timer')
const instance = fc.nat(INSTANCES - 1)
const keyed = fc.record({
  do: fc.constantFrom('set' as const, 'insert' as const, 'touch' as const),
  key: fc.constantFrom(...KEYS)
})
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 120, arbitrary: keyed },
  { weight: 12, arbitrary: fc.constant<Op>({ do: 'refuse' }) },
  { weight: 6, arbitrary: fc.constantFrom<Op>({ do: 'orphan' }, { do: 'abort' }) },
  { weight: 1, arbitrary: fc.constant<Op>({ do: 'kill' }) }
)
const steps = fc.array(fc.record({ op, pauses: fc.boolean(), isCaught: fc.boolean() }), { maxLength: 5 })
const kind = <const K extends string>(name: K) => fc.constant(name)

const actor: fc.Arbitrary<Actor> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: kind('caller'), pause, instance, steps }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('reader'), pause, instance }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('killer'), pause, instance, ofAll: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('foreigner'),
      pause,
      holds: fc.array(pause, { maxLength: 3 }),
      commits: fc.boolean()
    })
  }
)

/** Actors that all begin together, each after its first pause. */
export const program: fc.Arbitrary<Actor[]> = fc.array(actor, { minLength: 1, maxLength: 16 })
