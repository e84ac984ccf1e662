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

const selectByIdentifier = (scheme: Scheme) =>
  compiledOnce<{ identifier: string }>()((db, { identifier }) =>
    db.selectFrom('authors').select('number').where(scheme, '=', identifier)
  )

/** The last scheme first: it is the one that is named when several are taken. */
const BY_IDENTIFIER = SCHEMES.toReversed().map((scheme) => ({ scheme, select: selectByIdentifier(scheme) }))

/**
 * Throws `IDENTIFIER_TAKEN` or `AUTHOR_EXISTS` when another author has an identifier, or the name and the book, of this one.
 * Writes are serial, so what is free now is free until the command ends.
 */
export async function assertUnique(db: ReadDb, author: AuthorRow): Promise<void> {
  const isOther = ({ number }: { number: number }) => number !== author.number
  for (const { scheme, select } of BY_IDENTIFIER) {
    const identifier = author[scheme]
    if (identifier == null) continue
    const { rows } = await select(db, { identifier })
    if (rows.some(isOther)) throw new Problem('IDENTIFIER_TAKEN', [scheme])
  }
  const { rows } = await selectByNameAndBook(db, { name: author.name_key, book: author.book_key })
  const other = rows.find(isOther)
  if (other !== undefined) throw new Problem('AUTHOR_EXISTS', [addressOf(other)])
}
