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

type Keys = Pick<AuthorRow, 'name_key' | 'book_key'>

/** By what an author is told from others. */
export type Identity = Keys & Partial<Record<Scheme, string | null>>

/** No author has it. */
const NEW = 0

/**
 * Throws `IDENTIFIER_TAKEN` when an author of another name has an identifier of this one, which is in no table yet, and `AUTHOR_EXISTS`
 * when another author has its name and book. Writes are serial, so what is free now is free until the command ends.
 */
export async function assertUnique(db: ReadDb, author: Identity): Promise<void> {
  const identity = { ...author, number: NEW }
  const [holders, same] = await Promise.all([findHolders(db, identity), findSame(db, identity)])
  refuseHolders(holders, identity)
  refuseSame(same, identity)
}

/** Throws `IDENTIFIER_TAKEN`. */
export async function assertIdentifiersFree(db: ReadDb, author: Identity & { number: number }) {
  refuseHolders(await findHolders(db, author), author)
}

/** Throws `AUTHOR_EXISTS`. */
export async function assertKeysFree(db: ReadDb, author: Keys & { number: number }) {
  refuseSame(await findSame(db, author), author)
}

interface Holder {
  scheme: Scheme
  slug: string
  name_key: string
}

/** Another author for each of its identifiers that one has. */
async function findHolders(db: ReadDb, author: Identity & { number: number }): Promise<Holder[]> {
  const { number } = author
  const found = BY_IDENTIFIER.flatMap(({ scheme, select }) => {
    const identifier = author[scheme]
    if (identifier == null) return []
    return [select(db, { identifier, number }).then(({ rows }) => rows.map((row) => ({ scheme, ...row })))]
  })
  return (await Promise.all(found)).flat()
}

function refuseHolders(holders: Holder[], { name_key }: Keys): void {
  const other = holders.find((holder) => holder.name_key !== name_key)
  if (other === undefined) return
  const address = addressOf(other)
  throw new Problem('IDENTIFIER_TAKEN', [address, other.scheme], { address })
}

async function findSame(db: ReadDb, { name_key, book_key }: Keys) {
  return (await selectByNameAndBook(db, { name: name_key, book: book_key })).rows
}

function refuseSame(same: { number: number; slug: string }[], { number }: { number: number }): void {
  const other = same.find((row) => row.number !== number)
  if (other === undefined) return
  const address = addressOf(other)
  throw new Problem('AUTHOR_EXISTS', [address], { address })
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
