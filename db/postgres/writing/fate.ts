import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseUnavailable } from '../../refusals.ts'
import type { Connection } from '../connection.ts'
import { isInFuture } from '../errors.ts'
import type { CommitUnknown } from './batch.ts'

const LONGEST_ASKING_MS = 10_000
const ASK_EVERY_MS = 100
const LONGEST_ANSWER_MS = 5000

export type Fate = 'committed' | 'undone' | 'unknown'

/** It is known that nothing was written. */
export class Undone extends DatabaseUnavailable {}

export interface Asked {
  connection: Connection
  /** Whether the server cannot have started again since before the commit. */
  isWitness: boolean
}

/**
 * What became of a commit (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT). A server that has crashed, or
 * a standby in its place, may give the number of a transaction that it has lost to another one. So only a connection from before the commit
 * can tell that it was committed; that it was not, any can.
 */
export async function fateOf({ transactionId }: CommitUnknown, ask: () => Promise<Asked>): Promise<Fate> {
  const until = performance.now() + LONGEST_ASKING_MS
  while (performance.now() < until) {
    const fate = await askOnce(transactionId, ask).catch(() => undefined)
    if (fate !== undefined) return fate
    await sleep(ASK_EVERY_MS)
  }
  return 'unknown'
}

/** Undefined while it is under way, as when a standby is waited for. */
async function askOnce(transactionId: string, ask: () => Promise<Asked>): Promise<Fate | undefined> {
  const { connection, isWitness } = await ask()
  const status = await statusOf(connection, transactionId)
  if (status === 'in progress') return undefined
  if (status === 'aborted') return 'undone'
  return status === 'committed' && isWitness ? 'committed' : 'unknown'
}

async function statusOf(connection: Connection, transactionId: string): Promise<string | null> {
  const sql = 'select pg_xact_status($1::xid8) as status'
  try {
    const { rows } = await connection.run({ sql, parameters: [transactionId] }, LONGEST_ANSWER_MS)
    return (rows[0] as { status: string | null }).status
  } catch (error) {
    if (!isInFuture(error)) throw error
    return 'aborted'
  }
}
