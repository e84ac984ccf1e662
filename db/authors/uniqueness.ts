import { compiledOnce } from '../compiled.ts'
import { Problem } from '../problems.ts'
import type { ReadDb } from '../tables.ts'
import { addressOf } from './representation.ts'
import { type AuthorRow, SCHEMES, type Scheme } from './table.ts'

const selectByNameAndBook = compiledOnce<{ name: string; book: string }>()((db, { name, book }) =>
  db
    .selectFrom('authors')
    .select(['number', 'slug'])
    .where('name_key', '=', name)
    .where('book_key', '=', book)
)

/** Any one of them, since all others with this identifier have one name. */
const selectByIdentifier = (scheme: Scheme) =>
  compiledOnce<{ identifier: string; number: number }>()((db, { identifier, number }) =>
    db
      .selectFrom('authors')
      .select(['slug', 'name_key'])
      .where(scheme, '=', identifier)
      .where('number', '<>', number)
      .limit(1)
  )

/** The last scheme first: it is the one that is named when several are taken. */
const BY_IDENTIFIER = SCHEMES.toReversed().map((scheme) => ({ scheme, select: selectByIdentifier(scheme) }))

/**
 * Throws `IDENTIFIER_TAKEN` when an author of another name has an identifier of this one, and `AUTHOR_EXISTS` when another author has
 * its name and book. Writes are serial, so what is free now is free until the command ends.
 */
export async function assertUnique(db: ReadDb, author: AuthorRow): Promise<void> {
  const { number, name_key, book_key } = author
  for (const { scheme, select } of BY_IDENTIFIER) {
    const identifier = author[scheme]
    if (identifier == null) continue
    const [other] = (await select(db, { identifier, number })).rows
    if (other !== undefined && other.name_key !== name_key) {
      const address = addressOf(other)
      throw new Problem('IDENTIFIER_TAKEN', [address, scheme], { address })
    }
  }
  const { rows } = await selectByNameAndBook(db, { name: name_key, book: book_key })
  const other = rows.find((row) => row.number !== number)
  if (other !== undefined) {
    const address = addressOf(other)
    throw new Problem('AUTHOR_EXISTS', [address], { address })
  }
}
