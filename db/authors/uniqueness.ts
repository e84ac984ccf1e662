import { compiledOnce } from '../compiled.ts'
import { KEY_SUFFIX } from '../folding.ts'
import { Problem } from '../problems.ts'
import type { Db, ReadDb } from '../tables.ts'
import { addressOf } from './representation.ts'
import { type AuthorRow, SCHEMES, type Scheme } from './table.ts'

const selectByNameAndBook = compiledOnce<{ name: string; book: string }>()((db, { name, book }) =>
  db
    .selectFrom('authors')
    .select(['number', 'slug'])
    .where('name_key', '=', name)
    .where('book_key', '=', book)
)

/** One of them is enough, since all others with this identifier have one name. */
const selectByIdentifier = (scheme: Scheme) =>
  compiledOnce<{ identifier: string; number: number }>()((db, { identifier, number }) =>
    db
      .selectFrom('authors')
      .select(['slug', 'name_key'])
      .where(scheme, '=', identifier)
      .where('number', '<>', number)
      .orderBy('number')
      .limit(1)
  )

/** The last scheme first: it is the one that is named when several are taken. */
const BY_IDENTIFIER = SCHEMES.toReversed().map((scheme) => ({ scheme, select: selectByIdentifier(scheme) }))

/**
 * Throws `IDENTIFIER_TAKEN` when an author of another name has an identifier of this one, and `AUTHOR_EXISTS` when another author has
 * its name and book. Writes are serial, so what is free now is free until the command ends.
 */
export async function assertUnique(db: ReadDb, author: AuthorRow): Promise<void> {
  await assertIdentifiersFree(db, author)
  await assertKeysFree(db, author)
}

/** Throws `IDENTIFIER_TAKEN`. */
export async function assertIdentifiersFree(db: ReadDb, author: AuthorRow): Promise<void> {
  const { number, name_key } = author
  for (const { scheme, select } of BY_IDENTIFIER) {
    const identifier = author[scheme]
    if (identifier == null) continue
    const [other] = (await select(db, { identifier, number })).rows
    if (other !== undefined && other.name_key !== name_key) {
      const address = addressOf(other)
      throw new Problem('IDENTIFIER_TAKEN', [address, scheme], { address })
    }
  }
}

type Keys = Pick<AuthorRow, 'name_key' | 'book_key'>

/** Throws `AUTHOR_EXISTS`. */
export async function assertKeysFree(
  db: ReadDb,
  { number, name_key, book_key }: Keys & { number: number }
): Promise<void> {
  const { rows } = await selectByNameAndBook(db, { name: name_key, book: book_key })
  const other = rows.find((row) => row.number !== number)
  if (other !== undefined) {
    const address = addressOf(other)
    throw new Problem('AUTHOR_EXISTS', [address], { address })
  }
}

const selectNextSame = compiledOnce<{ name: string; from: string; to: string }>()((db, { name, from, to }) =>
  db
    .selectFrom('authors')
    .select('number')
    .where('name_key', '=', name)
    .where('book_key', '>', from)
    .where('book_key', '<', to)
    .orderBy('book_key')
    .limit(1)
)

/**
 * After an author has lost these keys. One that a migration has found to be the same has them with a suffix, and gets them without, so
 * that there is one with whom others are compared.
 */
export async function passKeysOn(trx: Db, { name_key, book_key }: Keys): Promise<void> {
  const from = book_key + KEY_SUFFIX
  const [next] = (await selectNextSame(trx, { name: name_key, from, to: `${from}\u{10ffff}` })).rows
  if (next === undefined) return
  const holders = await selectByNameAndBook(trx, { name: name_key, book: book_key })
  if (holders.rows.length > 0) return
  await trx.updateTable('authors').set({ book_key }).where('number', '=', next.number).execute()
}
