import type { Selectable } from 'kysely'
import { uuidv7 } from 'uuidv7'
import type { Db } from './database.ts'
import { foldSlug, foldText, isUuid, slugify } from './text.ts'

export interface AuthorsTable {
  /** UUIDv7, so that the order of ids is the order of creation. */
  id: string
  slug: string
  name: string
  book: string
  country: string
  /** 0 or 1. */
  booker_prize: number
  birth_year: number | null
  death_year: number | null
  viaf: string | null
  isni: string | null
  wikidata: string | null
  openlibrary: string | null
  note: string | null
  /** Null once the owner is gone. */
  owner_id: string | null
  version: number
  created_at: string
  updated_at: string
  /** The name and the book as they are compared: see `foldText`. Together they are unique. */
  name_key: string
  book_key: string
}

/** What a user may write of an author; what is left out is false or null. */
export interface AuthorContent {
  name: string
  book: string
  country: string
  booker_prize?: boolean
  birth_year?: number | null
  death_year?: number | null
  identifiers?: {
    viaf?: string | null
    isni?: string | null
    wikidata?: string | null
    openlibrary?: string | null
  }
  note?: string | null
}

/** An author as the API shows it. */
export type AuthorRecord = ReturnType<typeof toAuthor>

function toAuthor(row: Selectable<AuthorsTable>) {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    book: row.book,
    country: row.country,
    booker_prize: row.booker_prize === 1,
    birth_year: row.birth_year,
    death_year: row.death_year,
    identifiers: { viaf: row.viaf, isni: row.isni, wikidata: row.wikidata, openlibrary: row.openlibrary },
    note: row.note,
    owner_id: row.owner_id,
    version: row.version,
    created_at: row.created_at,
    updated_at: row.updated_at
  }
}

function toColumns(content: AuthorContent) {
  const { identifiers = {} } = content
  return {
    name: content.name,
    book: content.book,
    country: content.country,
    booker_prize: content.booker_prize ? 1 : 0,
    birth_year: content.birth_year ?? null,
    death_year: content.death_year ?? null,
    viaf: identifiers.viaf ?? null,
    isni: identifiers.isni ?? null,
    wikidata: identifiers.wikidata ?? null,
    openlibrary: identifiers.openlibrary ?? null,
    note: content.note ?? null,
    name_key: foldText(content.name),
    book_key: foldText(content.book)
  }
}

/** The author with this id or slug, in upper or lower case. */
export async function findAuthor(db: Db, idOrSlug: string): Promise<AuthorRecord | undefined> {
  const key = foldSlug(idOrSlug)
  const row = await db
    .selectFrom('authors')
    .selectAll()
    .where(isUuid(key) ? 'id' : 'slug', '=', key)
    .executeTakeFirst()
  return row && toAuthor(row)
}

/** The author with the same folded name and book. */
export async function findAuthorByNameAndBook(db: Db, { name, book }: { name: string; book: string }) {
  return db
    .selectFrom('authors')
    .select(['id', 'slug'])
    .where('name_key', '=', foldText(name))
    .where('book_key', '=', foldText(book))
    .executeTakeFirst()
}

/** Up to `limit` authors, newest first, those before the id `before`. */
export async function listAuthors(db: Db, { limit, before }: { limit: number; before: string | undefined }) {
  const rows = await db
    .selectFrom('authors')
    .selectAll()
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toAuthor)
}

/** Inserts an author; takes a transaction, for the slug is looked for first. Breaks a uniqueness when it is a duplicate. */
export async function insertAuthor(trx: Db, content: AuthorContent, ownerId: string): Promise<AuthorRecord> {
  const now = new Date().toISOString()
  const row = await trx
    .insertInto('authors')
    .values({
      id: uuidv7(),
      slug: await findFreeSlug(trx, slugify(content.name)),
      ...toColumns(content),
      owner_id: ownerId,
      version: 1,
      created_at: now,
      updated_at: now
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return toAuthor(row)
}

/** Replaces what a user may write of an author, and counts its version up. */
export async function replaceAuthor(trx: Db, id: string, content: AuthorContent): Promise<AuthorRecord> {
  const row = await trx
    .updateTable('authors')
    .set((eb) => ({
      ...toColumns(content),
      version: eb('version', '+', 1),
      updated_at: new Date().toISOString()
    }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return toAuthor(row)
}

export async function deleteAuthor(trx: Db, id: string): Promise<void> {
  await trx.deleteFrom('authors').where('id', '=', id).execute()
}

/**
 * `base`, or `base` with a number that is free. Doubling steps find a free number and halving ones the first after
 * a taken one, so that a thousand namesakes cost some twenty look-ups, not a thousand.
 */
async function findFreeSlug(trx: Db, base: string): Promise<string> {
  if (await isSlugFree(trx, base)) return base
  let taken = 1
  let free = 2
  while (!(await isSlugFree(trx, `${base}-${free}`))) {
    taken = free
    free *= 2
  }
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2)
    if (await isSlugFree(trx, `${base}-${middle}`)) free = middle
    else taken = middle
  }
  return `${base}-${free}`
}

async function isSlugFree(trx: Db, slug: string): Promise<boolean> {
  return (
    (await trx.selectFrom('authors').select('id').where('slug', '=', slug).executeTakeFirst()) === undefined
  )
}
