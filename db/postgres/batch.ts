import { type Call, commandNamed } from '../command.ts'
import type { Connection } from './connection.ts'
import { Transaction } from './transaction.ts'

/** No call of a batch begins after so long: few should wait for the work of many. */
const LONGEST_MS = 20

/** What became of a call. */
export type Outcome = { output: unknown } | { error: unknown }

export interface BatchResult {
  outcomes: Outcome[]
  lockMs: number
  commitMs: number
}

/** The connection was lost while a commit was under way: the transaction of this id may have been committed. */
export class CommitUnknown extends Error {
  readonly transactionId: string
  readonly outcomes: Outcome[]

  constructor(transactionId: string, outcomes: Outcome[], cause: unknown) {
    super('the connection was lost at a commit', { cause })
    this.transactionId = transactionId
    this.outcomes = outcomes
  }
}

type RunCall = (transaction: Transaction, call: Call) => Promise<unknown>

/**
 * Runs the first of the waiting calls in one transaction, and so with one sync of the disk. At first it sets no savepoints: a call that
 * throws before it has written disturbs nobody. When one throws later, all are undone and run again, each in a savepoint that can be
 * undone alone. Throws what undid all of them, or `CommitUnknown`.
 */
export async function runBatch(
  connection: Connection,
  waiting: () => readonly Call[],
  runCall: RunCall
): Promise<BatchResult> {
  const plainly = await tryBatch(connection, waiting(), waiting, (transaction, call) =>
    runPlainly(transaction, () => runCall(transaction, call))
  )
  if (plainly !== undefined) return plainly
  const inSavepoints = await tryBatch(connection, waiting(), waiting, (transaction, call) =>
    runInSavepoint(transaction, () => runCall(transaction, call))
  )
  return inSavepoints as BatchResult
}

/** Undefined when a call has failed after it had written. */
async function tryBatch(
  connection: Connection,
  first: readonly Call[],
  waiting: () => readonly Call[],
  run: (transaction: Transaction, call: Call) => Promise<Outcome | 'all must be undone'>
): Promise<BatchResult | undefined> {
  const asked = performance.now()
  const longestMs = Math.max(...first.map(({ command }) => commandNamed(command).longestMs))
  const transaction = await Transaction.begin(connection, { longestMs })
  const begun = performance.now()
  const outcomes: Outcome[] = []
  try {
    for (const call of waiting()) {
      if (outcomes.length > 0 && performance.now() > begun + LONGEST_MS) break
      const outcome = await run(transaction, call)
      if (outcome === 'all must be undone') {
        await transaction.rollBack()
        return undefined
      }
      outcomes.push(outcome)
    }
  } catch (error) {
    await transaction.rollBack().catch(() => {})
    throw error
  }
  const done = performance.now()
  try {
    await transaction.commit()
  } catch (error) {
    throw connection.isLost ? new CommitUnknown(transaction.id, outcomes, error) : error
  }
  return { outcomes, lockMs: begun - asked, commitMs: performance.now() - done }
}

async function runPlainly(
  transaction: Transaction,
  run: () => Promise<unknown>
): Promise<Outcome | 'all must be undone'> {
  const before = transaction.changes
  try {
    return { output: await run() }
  } catch (error) {
    if (transaction.isConnectionLost) throw error
    return transaction.changes === before && !transaction.isFailed ? { error } : 'all must be undone'
  }
}

async function runInSavepoint(transaction: Transaction, run: () => Promise<unknown>): Promise<Outcome> {
  await transaction.setSavepoint()
  try {
    const output = await run()
    await transaction.releaseSavepoint()
    return { output }
  } catch (error) {
    if (transaction.isConnectionLost) throw error
    await transaction.rollBackToSavepoint()
    return { error }
  }
}
