import { type AuthorRecord, parseRecord } from '../authors/table.ts'
import type { Operation } from '../changes.ts'
import { isPurged } from '../history/remains.ts'
import type { Db } from '../tables.ts'
import type { Tell } from './events.ts'
import { countRows, slicesOf } from './slices.ts'
import { AUTHORS, type MovedTable } from './tables.ts'

/** The log, author by author. */
const HISTORIES: MovedTable = { name: 'changes', key: ['author_number', 'version'] }
const CHANGE_COLUMNS = ['author_number', 'version', 'at', 'operation', 'before']
const AUTHOR_COLUMNS = ['number', 'version', 'updated_at', 'record']

interface LoggedChange {
  author_number: number
  version: number
  at: string
  operation: Operation
  before: string | null
}

interface Author {
  number: number
  version: number
  updated_at: string
  record: string
}

/** Where the log does not lead to the authors. */
export class NotReplayed extends Error {}

/**
 * Goes through the log, author by author, and compares what each change says of the one before it, and what the last one says of the
 * author, with what is there. `visit` gets each author. Throws `NotReplayed`.
 */
export async function replay(
  db: Db,
  { tell, visit }: { tell: Tell; visit: (number: number, author: AuthorRecord) => void }
): Promise<void> {
  const total = await countRows(db, HISTORIES)
  const authors = rowsOf<Author>(db, AUTHORS, AUTHOR_COLUMNS)
  let author = await nextOf(authors)
  let last: LoggedChange | undefined
  let done = 0

  async function endHistory(): Promise<void> {
    if (last === undefined) return
    const isIts = author?.number === last.author_number
    if (isIts === (last.operation === 'deleted'))
      throw faultOf(last, isIts ? 'was deleted, and is there' : 'is not there, and was not deleted')
    if (author === undefined || !isIts) return
    const record = parseRecord(author.record)
    compare(last, author, 'the author')
    compare(last, record, 'its record')
    visit(author.number, record)
    author = await nextOf(authors)
  }

  for await (const change of rowsOf<LoggedChange>(db, HISTORIES, CHANGE_COLUMNS)) {
    if (change.author_number !== last?.author_number) {
      await endHistory()
      last = undefined
    }
    follow(last, change)
    last = change
    done += 1
    if (done % 1000 === 0) tell({ event: 'replaying', done, total })
  }
  await endHistory()
  if (author !== undefined)
    throw new NotReplayed(`the author with the number ${author.number} is not in the log in its place`)
  tell({ event: 'replaying', done, total })
}

/** Whether a change can come after the one before it of the same author. */
function follow(last: LoggedChange | undefined, change: LoggedChange): void {
  const { version, operation, before } = change
  if (last === undefined && version > 1) {
    begin(change)
    return
  }
  if (version !== (last?.version ?? 0) + 1) throw faultOf(change, 'does not follow the version before it')
  if ((last === undefined) !== (operation === 'created'))
    throw faultOf(change, 'is created once, and at first')
  if ((last?.operation === 'deleted') !== (operation === 'restored'))
    throw faultOf(change, 'is restored after it was deleted, and only then')
  const wasThere = last !== undefined && last.operation !== 'deleted'
  if (wasThere !== (before !== null)) throw faultOf(change, 'was there before if it has a version before')
  if (last !== undefined && before !== null)
    compare(last, parseRecord(before), 'what was before the next change')
}

/** Whether a change can be the first of a history whose beginning was purged. */
function begin(change: LoggedChange): void {
  const { operation, before } = change
  if (operation === 'created') throw faultOf(change, 'is created once, and at first')
  const isBeginning = operation === 'deleted' ? before !== null && isPurged(before) : before === null
  if (!isBeginning) throw faultOf(change, 'does not follow the version before it')
}

function compare(
  last: LoggedChange,
  { version, updated_at }: Pick<AuthorRecord, 'version' | 'updated_at'>,
  what: string
) {
  if (version !== last.version || updated_at !== last.at) throw faultOf(last, `is not what ${what} says`)
}

function faultOf({ author_number, version }: LoggedChange, what: string): NotReplayed {
  return new NotReplayed(`version ${version} of the author with the number ${author_number} ${what}`)
}

async function* rowsOf<R>(db: Db, table: MovedTable, columns: readonly string[]): AsyncGenerator<R> {
  for await (const rows of slicesOf(db, table, { columns })) yield* rows as Iterable<Awaited<R>>
}

async function nextOf<R>(rows: AsyncGenerator<R>): Promise<R | undefined> {
  const { value, done } = await rows.next()
  return done ? undefined : value
}
