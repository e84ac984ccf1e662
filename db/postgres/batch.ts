import { type Call, commandNamed } from '../command.ts'
import type { Foreseen } from '../door.ts'
import { DatabaseUnavailable } from '../refusals.ts'
import type { Db } from '../tables.ts'
import type { Connection } from './connection.ts'
import { isConflict } from './errors.ts'
import { Foresight } from './foresight.ts'
import { Member } from './member.ts'
import { type Prepare, Transaction } from './transaction.ts'

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

/** This call undid its batch, and would do so each time. */
export class TookTooLong extends Error {
  readonly call: Call

  constructor(call: Call) {
    super(`${call.command} took too long`)
    this.call = call
  }
}

export interface BatchOptions {
  connection: Connection
  /** The calls that wait, those that waited before still first. */
  waiting: () => readonly Call[]
  runCall: (db: Db, call: Call, foreseen?: Foreseen) => Promise<unknown>
  mostCalls: number
  /** With which each transaction begins. */
  prepare?: Prepare | undefined
}

/**
 * Runs the first of the waiting calls in one transaction, and so with one sync of the disk (invariants 2 to 5 of docs/architecture.md). At
 * first it sets no savepoints, and waits for no answer that nobody needs: a call that throws before it has written disturbs nobody. When
 * one throws later, or what was not waited for fails, all are undone and run again, each in a savepoint that can be undone alone. Throws
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
  { waiting, runCall, mostCalls }: BatchOptions,
  isGuarded: boolean
): Promise<Outcome[] | undefined> {
  const end = performance.now() + LONGEST_MS
  const outcomes: Outcome[] = []
  // More may have come while others had the lock.
  const calls = waiting()
  const foresight = isGuarded ? undefined : new Foresight(transaction, calls)
  for (const call of calls) {
    const isFull = outcomes.length === mostCalls || (outcomes.length > 0 && performance.now() > end)
    if (isFull || longestOf(call) > transaction.longestMs) break
    const outcome = await runMember(transaction, call, { runCall, foresight })
    if (outcome === 'all must be undone') return undefined
    outcomes.push(outcome)
  }
  return outcomes
}

async function runMember(
  transaction: Transaction,
  call: Call,
  { runCall, foresight }: { runCall: BatchOptions['runCall']; foresight: Foresight | undefined }
): Promise<Outcome | 'all must be undone'> {
  const isGuarded = foresight === undefined
  if (isGuarded) await transaction.setSavepoint(MEMBER)
  const foreseen = await foresight?.of(call)
  const whenWritten = (sql: string) => foresight?.noteWrite(sql)
  const member = new Member(transaction, { longestMs: longestOf(call), isGuarded, whenWritten })
  const outcome = await outcomeOf(member.within(runCall(member.db, call, foreseen)))
  await member.end()
  if (member.tookTooLong) throw new TookTooLong(call)
  const error = 'error' in outcome ? outcome.error : undefined
  if (transaction.isLost) throw new DatabaseUnavailable('the connection was lost', { cause: error })
  if (isConflict(error)) throw error
  if (!isGuarded) {
    const isBad = member.isFailed || ('error' in outcome && member.hasWritten)
    return isBad ? 'all must be undone' : outcome
  }
  if ('error' in outcome) await transaction.rollBackTo(MEMBER)
  else await transaction.releaseSavepoint(MEMBER)
  return outcome
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

function outcomeOf(output: Promise<unknown>): Promise<Outcome> {
  return output.then(
    (output) => ({ output }),
    (error) => ({ error })
  )
}

function longestOf({ command }: Call): number {
  return commandNamed(command).longestMs
}
