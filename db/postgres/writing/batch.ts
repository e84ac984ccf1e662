import { type Call, commandNamed } from '../../command.ts'
import type { Foreseen } from '../../door.ts'
import { DatabaseUnavailable } from '../../refusals.ts'
import { type Groups, runTogether } from '../../together.ts'
import type { Connection } from '../connection.ts'
import { isConflict } from '../errors.ts'
import { type Prepare, Transaction } from '../transaction.ts'
import { Foresight } from './foresight.ts'
import { Member } from './member.ts'

/** No call of a batch begins after so long: few should wait for the work of many. */
const LONGEST_MS = 20
const MEMBER = 'member'

/** What became of a call. */
export type Outcome = { output: unknown } | { error: unknown }

/** What became of the first calls of a queue: one outcome each. */
export interface BatchResult {
  outcomes: Outcome[]
  /** For so long others had the write lock. */
  lockMs: number
  commitMs: number
}

/** Something went wrong at a commit, so that it must be asked whether it happened. */
export class CommitUnknown extends Error {
  readonly transactionId: string
  /** When it was sent, as `performance.now()` says. */
  readonly sentAt: number
  readonly result: BatchResult

  constructor(transactionId: string, sentAt: number, result: BatchResult, cause: unknown) {
    super('a commit went wrong', { cause })
    this.transactionId = transactionId
    this.sentAt = sentAt
    this.result = result
  }
}

/** One of these calls, which ran together, undid its batch, and would do so each time. */
export class TookTooLong extends Error {
  readonly calls: readonly Call[]

  constructor(calls: readonly Call[]) {
    super(`${calls[0]?.command} took too long`)
    this.calls = calls
  }
}

export interface BatchOptions {
  connection: Connection
  /** The calls that wait, those that waited before still first. */
  waiting: () => readonly Call[]
  groups: Groups
  mostCalls: number
  /** With which each transaction begins. */
  prepare?: Prepare | undefined
}

/**
 * Runs the first of the waiting calls in one transaction, and so with one sync of the disk (invariants 2 to 5 of docs/architecture.md). At
 * first it sets no savepoints, runs calls together that it can, and waits for no answer that nobody needs: a call that throws before it has
 * written disturbs nobody. When one throws later, or what was not waited for fails, all are undone and run again, each in a savepoint that can be undone alone. Throws
 * what undid all of them, `TookTooLong`, or `CommitUnknown`.
 */
export async function runBatch(options: BatchOptions): Promise<BatchResult> {
  return (await tryBatch(options, false)) ?? ((await tryBatch(options, true)) as BatchResult)
}

/** Undefined when a call, or what it did not wait for, has failed after it had written. */
async function tryBatch(options: BatchOptions, isGuarded: boolean): Promise<BatchResult | undefined> {
  const { connection, waiting, prepare } = options
  const asked = performance.now()
  const transaction = await Transaction.begin(connection, {
    longestMs: longestOf(waiting()[0] as Call),
    prepare
  })
  const lockMs = performance.now() - asked
  let outcomes: Outcome[] | undefined
  try {
    outcomes = await runAll(transaction, options, isGuarded)
    if (!(await transaction.isDone())) outcomes = undefined
    if (outcomes === undefined) await transaction.rollBack()
  } catch (error) {
    await transaction.rollBackQuietly()
    throw error
  }
  return outcomes && commit(transaction, { outcomes, lockMs, commitMs: 0 })
}

async function runAll(
  transaction: Transaction,
  { waiting, groups, mostCalls }: BatchOptions,
  isGuarded: boolean
): Promise<Outcome[] | undefined> {
  const end = performance.now() + LONGEST_MS
  const outcomes: Outcome[] = []
  // More may have come while others had the lock.
  const calls = waiting()
  const most = Math.min(calls.length, mostCalls)
  const run = isGuarded
    ? (index: number) => runInSavepoint(transaction, calls[index] as Call)
    : optimistically(transaction, calls.slice(0, most), groups)
  for (let next = 0; next < most; next = outcomes.length) {
    const isFull = next > 0 && performance.now() > end
    if (isFull || longestOf(calls[next] as Call) > transaction.longestMs) break
    const done = await run(next)
    if (done === 'all must be undone') return undefined
    outcomes.push(...done)
  }
  return outcomes
}

type Done = Outcome[] | 'all must be undone'

/** Runs the call at an index, together with those after it where that can be. */
function optimistically(transaction: Transaction, calls: readonly Call[], groups: Groups) {
  const foresight = new Foresight(transaction, calls)
  return async (index: number): Promise<Done> => {
    const group = groups.at(calls, index, calls.length)
    const foreseen = group.length === 1 ? await foresight.at(index) : undefined
    const done = await runPlainly(transaction, group, { foresight, foreseen })
    if (done === 'all must be undone') groups.note(0, group.length)
    else if (!done.some(isRefused)) groups.note(done.length, group.length)
    return done
  }
}

/** What became of the first calls of a group, of none when its first is special. */
async function runPlainly(
  transaction: Transaction,
  group: readonly Call[],
  { foresight, foreseen }: { foresight: Foresight; foreseen: Foreseen | undefined }
): Promise<Done> {
  const [call] = group as [Call]
  const whenWritten = (sql: string) => foresight.noteWrite(sql)
  const member = new Member(transaction, { longestMs: longestOf(call), isGuarded: false, whenWritten })
  const outcomes = await outcomesOf(member, group, () => runTogether(member.db, group, foreseen))
  if (member.isFailed) return 'all must be undone'
  return outcomes.some(isRefused) && (member.hasWritten || group.length > 1) ? 'all must be undone' : outcomes
}

async function runInSavepoint(transaction: Transaction, call: Call): Promise<Outcome[]> {
  await transaction.setSavepoint(MEMBER)
  const member = new Member(transaction, {
    longestMs: longestOf(call),
    isGuarded: true,
    whenWritten: () => {}
  })
  const outcomes = await outcomesOf(member, [call], () => runTogether(member.db, [call]))
  if (outcomes.some(isRefused)) await transaction.rollBackTo(MEMBER)
  else await transaction.releaseSavepoint(MEMBER)
  return outcomes
}

function isRefused(outcome: Outcome): boolean {
  return 'error' in outcome
}

/** One for each call that was done, or the error that came of the first. Throws what undoes the whole batch. */
async function outcomesOf(
  member: Member,
  group: readonly Call[],
  run: () => Promise<unknown[]>
): Promise<Outcome[]> {
  const outcomes = await member.within(run()).then(
    (outputs): Outcome[] => outputs.map((output) => ({ output })),
    (error): Outcome[] => [{ error }]
  )
  await member.end()
  if (member.tookTooLong) throw new TookTooLong(group)
  const [first] = outcomes
  const error = first !== undefined && 'error' in first ? first.error : undefined
  if (member.isLost) throw new DatabaseUnavailable('the connection was lost', { cause: error })
  if (isConflict(error)) throw error
  return outcomes
}

async function commit(transaction: Transaction, result: BatchResult): Promise<BatchResult> {
  const sentAt = performance.now()
  try {
    await transaction.commit()
    return { ...result, commitMs: performance.now() - sentAt }
  } catch (error) {
    throw new CommitUnknown(transaction.id, sentAt, result, error)
  }
}

function longestOf({ command }: Call): number {
  return commandNamed(command).longestMs
}
