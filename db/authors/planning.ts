/** How the authors that fulfil some conditions are come by. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { ReadDb } from '../database.ts'
import type { Condition } from './conditions.ts'
import {
  type AuthorOrder,
  KEYS,
  type KeyRow,
  type Position,
  positionOf,
  type Query,
  type Range,
  sorted,
  within
} from './order.ts'

const WALKED_AT_ONCE = 4000
/** Up to so many matches are collected rather than walked to: of a lone condition, and where several thin out the walk. */
const FEW = 4000
const FEW_OF_SEVERAL = 16_000

/** How the authors that fulfil the conditions are come by. */
export interface Plan {
  order: AuthorOrder
  /** Whether all that `lane` lets through must be walked through, because few of them may match. */
  isWalk: boolean
  lane(db: ReadDb): Query<object>
  matching(db: ReadDb): Query<object>
}

/** The plan that reads the fewest rows. */
export async function planFor(db: ReadDb, conditions: Condition[], order: AuthorOrder): Promise<Plan> {
  const authors = (from: ReadDb): Query<object> => from.selectFrom('authors')
  if (conditions.length === 0) return { order, isWalk: false, lane: authors, matching: authors }

  const rarest = await findRarest(db, conditions)
  const inLane = order.by === 'created_at' ? conditions.find((one) => one.inOrderOfIds) : undefined
  const others = conditions.filter((condition) => condition !== rarest && condition !== inLane)
  const fulfilling = (query: Query<object>, all: Condition[]) =>
    all.reduce((narrowed, { holds }) => narrowed.where(holds), query)

  if (rarest?.ids !== undefined) {
    const few = (from: ReadDb) => authors(from).where('id', 'in', rarest.ids?.(from) as never)
    const rest = conditions.filter((condition) => condition !== rarest)
    return { order, isWalk: false, lane: few, matching: (from) => fulfilling(few(from), rest) }
  }
  const lane = (from: ReadDb) => inLane?.inOrderOfIds?.(authors(from)) ?? authors(from)
  return { order, isWalk: others.length > 0, lane, matching: (from) => fulfilling(lane(from), others) }
}

/** The condition with the fewest matches, if these are few. */
async function findRarest(db: ReadDb, conditions: Condition[]): Promise<Condition | undefined> {
  let fewest = conditions.length === 1 ? FEW : FEW_OF_SEVERAL
  let rarest: Condition | undefined
  for (const condition of conditions) {
    if (condition.ids === undefined) continue
    const matches = condition.ids(db).limit(fewest).as('matches')
    const { count } = await db
      .selectFrom(matches)
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    if (count < fewest) {
      fewest = count
      rarest = condition
    }
    if (fewest === 0) break
  }
  return rarest
}

/** The order from a position on: in one piece, or where it must be walked, in pieces between which it yields to the event loop. */
export async function* rangesOf(db: ReadDb, plan: Plan, after: Position | undefined): AsyncGenerator<Range> {
  if (!plan.isWalk) return yield { from: after, to: undefined }
  for (let from = after; ; ) {
    const to = await findPositionAhead(db, plan, from)
    yield { from, to }
    if (to === undefined) return
    from = to
    await yieldToEventLoop()
  }
}

async function findPositionAhead(
  db: ReadDb,
  { lane, order }: Plan,
  from: Position | undefined
): Promise<Position | undefined> {
  const key = KEYS[order.by]
  const row = await sorted(within(lane(db), order, { from, to: undefined }), order)
    .select([key, 'id'])
    .limit(1)
    .offset(WALKED_AT_ONCE)
    .executeTakeFirst()
  return row && positionOf(row as KeyRow, order)
}
