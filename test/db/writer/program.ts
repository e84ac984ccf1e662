/** Programs for the model of the writer's thread. */
import fc from 'fast-check'
import type { Op } from '../model/playing.ts'
import {
  type Caller,
  type Foreigner,
  foreigner,
  type Pause,
  type Reader,
  stepsWith
} from '../model/program.ts'

export type Actor = Caller | Reader | Foreigner

const pause = fc.constantFrom<Pause>('none', 'microtask', 'immediate', 'timer', 'poll')
const failure = fc.constantFrom<Op>({ do: 'flood' }, { do: 'orphan' })
const end = fc.constantFrom<Op>({ do: 'die' }, { do: 'die' }, { do: 'break the disk' })
const steps = stepsWith({ weight: 8, arbitrary: failure }, { weight: 1, arbitrary: end })

const actor: fc.Arbitrary<Actor> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('caller' as const), pause, steps }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reader' as const), pause }) },
  { weight: 1, arbitrary: foreigner(pause) }
)

/** Actors that all begin together, each after its first pause. */
export const program: fc.Arbitrary<Actor[]> = fc.array(actor, { minLength: 1, maxLength: 14 })
