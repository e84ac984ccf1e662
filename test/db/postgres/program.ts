/** Programs for the model of several instances. */
import fc from 'fast-check'
import type { Op } from '../model/playing.ts'
import {
  type Caller as AnyCaller,
  type Reader as AnyReader,
  type Foreigner,
  foreigner,
  type Pause,
  stepsWith
} from '../model/program.ts'

export const INSTANCES = 3

interface Asking {
  instance: number
}
export type Caller = Asking & AnyCaller
export type Reader = Asking & AnyReader
/** The operator ends the connection on which an instance writes, or all connections. */
export type Killer = Asking & { kind: 'killer'; pause: Pause; ofAll: boolean }
export type Actor = Caller | Reader | Killer | Foreigner

const pause = fc.constantFrom<Pause>('none', 'microtask', 'immediate', 'timer')
const instance = fc.nat(INSTANCES - 1)
const failure = fc.constantFrom<Op>({ do: 'orphan' }, { do: 'abort' })
const steps = stepsWith(
  { weight: 6, arbitrary: failure },
  { weight: 1, arbitrary: fc.constant<Op>({ do: 'kill' }) }
)
const kind = <const K extends string>(name: K) => fc.constant(name)

const actor: fc.Arbitrary<Actor> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: kind('caller'), pause, instance, steps }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('reader'), pause, instance }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('killer'), pause, instance, ofAll: fc.boolean() }) },
  { weight: 1, arbitrary: foreigner(pause) }
)

/** Actors that all begin together, each after its first pause. */
export const program: fc.Arbitrary<Actor[]> = fc.array(actor, { minLength: 1, maxLength: 16 })
