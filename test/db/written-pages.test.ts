// On SQLite alone: the pages of its file.
/** A change writes to what it changes: most of what a write costs is the pages that it touches. */
import { readFileSync } from 'node:fs'
import { setImmediate as nextTick } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type AuthorPatch, patchContent } from '../../db/authors/content.ts'
import { prepareRow } from '../../db/authors/prepared-row.ts'
import { findAuthor, type StoredAuthor } from '../../db/authors/reading.ts'
import { AUTHOR_COLUMNS } from '../../db/authors/table.ts'
import { changeAuthor } from '../../db/authors/writing.ts'
import { importSlice } from '../../db/commands/imports.ts'
import { PAGE_BYTES } from '../../db/sqlite/open.ts'
import { AUTHOR, numberOf } from '../helpers.ts'
import { callOf, idOf, open } from './catalogue.ts'

const AUTHORS = 3000
const AT_ONCE = 16
const WAL_HEADER = 32
const FRAME_HEADER = 24
/** For a patch of the note: the author's page, one of the order by update, one of the log's index, and a share of the log's own. */
const MOST_BYTES_A_PATCH = 4 * (PAGE_BYTES + FRAME_HEADER)

/** Authors whose neighbours in each index are others. */
async function openFilled(t: Test) {
  const opened = await open(t)
  const rows = Array.from({ length: AUTHORS }, (_, i) =>
    prepareRow(i + 1, {
      ...AUTHOR,
      name: `Name ${(i * 1009) % AUTHORS}`,
      book: `Book ${(i * 2003) % AUTHORS}`,
      birth_year: 1000 + ((i * 7919) % 1000),
      identifiers: { viaf: String(1 + ((i * 4001) % AUTHORS)) },
      note: 'x'.repeat(300)
    })
  )
  for (let i = 0; i < AUTHORS; i += 500) {
    await opened.database.run(callOf('owner', importSlice, { rows: rows.slice(i, i + 500) }))
  }
  const authors = await opened.direct
    .selectFrom('authors')
    .select(['id', 'number'])
    .orderBy('number')
    .execute()
  const step = Math.floor(AUTHORS / AT_ONCE)
  return { ...opened, some: authors.filter((_, index) => index % step === 0).slice(0, AT_ONCE) }
}

type Filled = Awaited<ReturnType<typeof openFilled>>

/** What is written by one transaction: the tables and indexes whose pages are, and the bytes of the log. */
async function writtenBy(file: string, write: () => Promise<unknown>) {
  const database = new Sqlite(file)
  try {
    while (isBusy(database.pragma('wal_checkpoint(truncate)'))) await nextTick()
    await write()
    const pages = pagesIn(readFileSync(`${file}-wal`))
    const owners = database.prepare('select pageno, name from dbstat').raw().all() as [number, string][]
    const names = new Set(owners.filter(([page]) => pages.includes(page)).map(([, name]) => name))
    return { names: [...names].sort(), bytes: pages.length * (PAGE_BYTES + FRAME_HEADER) }
  } finally {
    database.close()
  }
}

/** While the writer itself copies the log. */
const isBusy = (result: unknown) => (result as [{ busy: number }])[0].busy === 1

/** The page of each frame (https://sqlite.org/fileformat2.html#walformat). */
function pagesIn(wal: Buffer): number[] {
  const pages: number[] = []
  for (let at = WAL_HEADER; at < wal.length; at += FRAME_HEADER + PAGE_BYTES) pages.push(wal.readUInt32BE(at))
  return pages
}

/** The first page of the file counts its pages. */
const ALWAYS_WRITTEN = ['authors', 'changes', 'sqlite_autoindex_changes_1', 'sqlite_schema']
const indexesOf = (names: string[]) => names.filter((name) => !ALWAYS_WRITTEN.includes(name))

/** Patches of authors, all in one transaction, as those of a batch are. */
function patchAll({ direct }: Filled, some: Filled['some'], patch: AuthorPatch) {
  return direct.transaction().execute(async (trx) => {
    const by = { actor: { number: await numberOf(trx, idOf('owner')) }, at: new Date().toISOString() }
    for (const { id } of some) {
      const author = (await findAuthor(trx, id)) as StoredAuthor
      await changeAuthor(trx, author, patchContent(JSON.parse(author.record), patch), 'patched', by)
    }
  })
}

t.test('a patch of the note writes to no index but that of updates', async (t) => {
  const filled = await openFilled(t)
  const patch = { note: 'y'.repeat(300) }
  const { names, bytes } = await writtenBy(filled.url, () => patchAll(filled, filled.some, patch))
  t.strictSame(indexesOf(names), ['authors_updated'])
  t.ok(bytes < AT_ONCE * MOST_BYTES_A_PATCH, `${bytes} bytes of log for ${AT_ONCE} patches`)
})

t.test('setting all columns to what they are would write to each index', async (t) => {
  const { url: file, direct, some } = await openFilled(t)
  const set = Object.fromEntries(AUTHOR_COLUMNS.slice(1).map((column) => [column, sql.ref(column)]))
  const { names, bytes } = await writtenBy(file, () =>
    direct.transaction().execute(async (trx) => {
      for (const { number } of some)
        await trx.updateTable('authors').set(set).where('number', '=', number).execute()
    })
  )
  t.ok(indexesOf(names).length > 5, names.join(' '))
  t.ok(bytes > AT_ONCE * MOST_BYTES_A_PATCH, `${bytes} bytes of log, so that the bound would tell`)
})

t.test('a patch of words that no order has writes to the word index too, and to no more', async (t) => {
  const filled = await openFilled(t)
  const { names } = await writtenBy(filled.url, () =>
    patchAll(filled, filled.some.slice(0, 1), { country: 'Peru' })
  )
  t.ok(names.includes('author_words_data'))
  t.strictSame(
    indexesOf(names).filter((name) => !name.startsWith('author_words_')),
    ['authors_updated']
  )
})
