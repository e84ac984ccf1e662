import { compiledOnce } from '../compiled.ts'
import type { Db } from '../tables.ts'
import { AUTHOR_COLUMNS, type AuthorRow } from './table.ts'
import { assertIdentifiersFree, assertKeysFree, passKeysOn } from './uniqueness.ts'

/** They are set together: one of them may have a suffix, by which the author differs from another one that has become the same. */
const KEYS: Column[] = ['name_key', 'book_key']
/** What a change leaves as it is, and what each of them sets. */
const FIXED = ['number', 'id', 'slug', 'owner_number']
const ALWAYS_SET: Column[] = ['version', 'updated_at', 'record']
const COMPARED = AUTHOR_COLUMNS.filter((column) => ![...FIXED, ...ALWAYS_SET].includes(column))

type Column = (typeof AUTHOR_COLUMNS)[number]
type Update = ReturnType<ReturnType<typeof compiledOnce<AuthorRow>>>

/** By the columns that they set. */
const updates = new Map<string, Update>()

function updateOf(columns: Column[]): Update {
  const name = columns.join()
  const known = updates.get(name)
  if (known !== undefined) return known
  const update = compiledOnce<AuthorRow>()(
    (db, row) =>
      db
        .updateTable('authors')
        .set(Object.fromEntries([...ALWAYS_SET, ...columns].map((column) => [column, row[column]])))
        .where('number', '=', row.number),
    { resultIsUnused: true }
  )
  updates.set(name, update)
  return update
}

/**
 * Sets what differs from how the row was before: SQLite writes to each index whose columns are set, also to what they were. Throws
 * what `assertUnique` throws.
 */
export async function updateRow(trx: Db, row: AuthorRow, before: AuthorRow): Promise<void> {
  const differs = (column: Column) => row[column] !== before[column]
  const hasNewKeys = KEYS.some(differs)
  const columns = COMPARED.filter((column) => differs(column) || (hasNewKeys && KEYS.includes(column)))
  if (columns.length > 0) await assertIdentifiersFree(trx, row)
  if (hasNewKeys) await assertKeysFree(trx, row)
  await updateOf(columns)(trx, row)
  if (hasNewKeys) await passKeysOn(trx, before)
}
