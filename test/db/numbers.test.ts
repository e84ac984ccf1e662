/** Inside, authors are known by numbers: in the order of creation, each given once. */
import type { Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import { listAuthors } from '../../db/authors/finding.ts'
import { findPlace } from '../../db/authors/order.ts'
import { prepareRow } from '../../db/authors/prepared-row.ts'
import { Staging } from '../../db/authors/staging.ts'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import { createAuthor, deleteAuthor, patchAuthor, restoreAuthor } from '../../db/commands/authors.ts'
import { applyImport, importSlice } from '../../db/commands/imports.ts'
import { type Database, openDatabase } from '../../db/database.ts'
import { timeOf } from '../../db/text.ts'
import { withStagedFile } from '../../plugins/transfers/staged-files.ts'
import { unsoundnessOf } from '../../scripts/crash/soundness.ts'
import { test } from '../engines.ts'
import { AUTHOR } from '../helpers.ts'
import { callOf, idOf, NONE, open, outcomeOf } from './catalogue.ts'

type Opened = Awaited<ReturnType<typeof open>>

const HOUR_MS = 3_600_000
const NOW = Date.parse('2026-11-26T12:00:00.000Z')

/** What comes with a call at this time of a clock; the id may end as given. */
function stampAt(time: number, end = uuidv7().slice(14)) {
  const hex = time.toString(16).padStart(12, '0')
  return { id: `${hex.slice(0, 8)}-${hex.slice(8)}-${end}`, at: new Date(time).toISOString() }
}

let books = 0
const newContent = (): AuthorContent => ({ ...AUTHOR, book: `Book ${books++}` })

const newRows = (count: number, firstLine = 1) =>
  Array.from({ length: count }, (_, index) => prepareRow(firstLine + index, newContent()))

const createAt = async (database: Database, stamp: ReturnType<typeof stampAt>) =>
  (await outcomeOf(database, callOf('owner', createAuthor, { content: newContent() }, stamp))) as AuthorRecord

const importAt = (database: Database, count: number, stamp: ReturnType<typeof stampAt>) =>
  database.run(callOf('owner', importSlice, { rows: newRows(count) }, stamp))

/** All in one transaction, from a staged file. */
async function importAllAt({ url, database }: Opened, count: number, stamp: ReturnType<typeof stampAt>) {
  await withStagedFile(database.files, async (staged) => {
    const staging = await Staging.open({ database: url, staged }, idOf('owner'))
    for (let line = 0; line < count; line += 100) {
      await staging.add(newRows(Math.min(100, count - line), line))
    }
    const { since } = await staging.revise()
    await staging.save()
    await staging.close()
    await database.run(callOf('owner', applyImport, { staged, since }, stamp))
  })
}

async function rowsOf({ direct }: Opened) {
  const rows = await direct
    .selectFrom('authors')
    .select(['number', 'id', 'record'])
    .orderBy('number')
    .execute()
  return rows.map(({ number, id, record }) => ({ number, id, created_at: JSON.parse(record).created_at }))
}

/** Of all that are there, in the order of numbers. */
async function assertOneOrder(t: Test, opened: Opened, count: number): Promise<void> {
  const rows = await rowsOf(opened)
  t.equal(rows.length, count)
  const ids = rows.map(({ id }) => id)
  t.strictSame(ids, [...new Set(ids)].sort())
  t.strictSame(
    rows.filter(({ id, created_at }) => created_at !== timeOf(id)),
    []
  )
  t.strictSame(await unsoundnessOf(opened.url), [])
}

test('ids and numbers have one order, though writers write at once by clocks that differ a bit', async (t) => {
  const opened = await open(t)
  const other = await openDatabase(opened.url)
  t.teardown(() => other.close())
  const databases = [opened.database, other]
  const clocks = [0, -5000, 3000, -590_000, -1]
  let count = 0
  for (let round = 0; round < 12; round++) {
    const writes = clocks.flatMap((ahead, index) => {
      const database = databases[(index + round) % 2] as Database
      const stamp = stampAt(NOW + round + ahead)
      count += 1 + index
      return [createAt(database, stamp), index > 0 && importAt(database, index, stampAt(NOW + round + ahead))]
    })
    await Promise.all(writes)
    if (round % 4 === 1) {
      await importAllAt(opened, 30, stampAt(NOW + round - 2000))
      count += 30
    }
  }
  await assertOneOrder(t, opened, count)
})

test('the ids of an import go over the border at which their ends are full', async (t) => {
  const opened = await open(t)
  await createAt(opened.database, stampAt(NOW, '7abc-8fff-fffffffffff0'))
  await importAt(opened.database, 40, stampAt(NOW, '7abc-8fff-fffffffffff8'))
  const [, first, ...others] = await rowsOf(opened)
  t.equal(first?.id.slice(14), '7abc-8fff-fffffffffff8')
  t.equal(others.at(-1)?.id.slice(14), '7abc-9000-00000000001f')
  await importAllAt(opened, 40, stampAt(NOW, '7abc-9fff-fffffffffff8'))
  const rows = await rowsOf(opened)
  t.match(rows.at(-1)?.id.slice(14), /^7abc-a000-0{10}/)
  t.equal(new Set(rows.slice(-40).map(({ id }) => id.slice(0, -12))).size, 1)
  // More than one statement inserts.
  await importAllAt(opened, 20_100, stampAt(NOW + 1, '7abc-8fff-ffffffffb1df'))
  await assertOneOrder(t, opened, 1 + 40 + 40 + 20_100)
})

test('an id is the stamp of its command also when an import was the last', async (t) => {
  const opened = await open(t)
  await importAllAt(opened, 3, stampAt(NOW))
  const stamp = stampAt(NOW + 1)
  t.equal((await createAt(opened.database, stamp)).id, stamp.id)
})

test('a clock that was set back by an hour is believed, and the order stays that of creation', async (t) => {
  const opened = await open(t)
  const { database } = opened
  for (const [index, ahead] of [0, 1, -HOUR_MS, 1 - HOUR_MS, 2].entries()) {
    const stamp = stampAt(NOW + ahead)
    const author = await createAt(database, stamp)
    t.strictSame([author.id, author.created_at], [stamp.id, stamp.at], `author ${index}`)
  }
  await importAt(database, 2, stampAt(NOW - HOUR_MS))
  await importAllAt(opened, 2, stampAt(NOW - 2 * HOUR_MS))
  const rows = await rowsOf(opened)
  t.strictSame(
    rows.map(({ created_at }) => Date.parse(created_at) - NOW),
    [0, 1, -HOUR_MS, 1 - HOUR_MS, 2, -HOUR_MS, -HOUR_MS, -2 * HOUR_MS, -2 * HOUR_MS]
  )
  const ids = rows.map(({ id }) => id)
  for (const descending of [false, true]) {
    t.strictSame(await walk(opened, descending), descending ? ids.toReversed() : ids)
  }
})

/** The ids of all authors in the order of creation, page by page. */
async function walk({ database }: Opened, descending: boolean): Promise<string[]> {
  const order = { by: 'created_at', descending } as const
  const ids: string[] = []
  for (let after: Awaited<ReturnType<typeof findPlace>>; ; ) {
    const { records, last } = await listAuthors(database.reads, {}, order, { limit: 2, after })
    ids.push(...JSON.parse(`[${records}]`).map(({ id }: AuthorRecord) => id))
    if (last === undefined) return ids
    after = await findPlace(database.reads, last)
  }
}

test('neither the number nor the id of a deleted author is given again, though it was the newest', async (t) => {
  const opened = await open(t)
  const { database } = opened
  const deleteNow = (idOrSlug: string) =>
    outcomeOf(database, callOf('owner', deleteAuthor, { idOrSlug, ...NONE }))
  const given = new Map<string, number>()
  await createAt(database, stampAt(NOW))
  // By a clock that was set back each id follows from the one before.
  for (const ahead of [-5000, -4000, -4000]) {
    const { id } = await createAt(database, stampAt(NOW + ahead))
    const all = await rowsOf(opened)
    t.equal(all.at(-1)?.id, id)
    t.notOk(given.has(id), 'another id')
    t.notOk([...given.values()].includes(all.at(-1)?.number as number), 'another number')
    given.set(id, all.at(-1)?.number as number)
    await deleteNow(id)
  }
  t.equal(given.size, 3)
  for (const [id, number] of [...given].toReversed()) {
    const restored = await outcomeOf(database, callOf('owner', restoreAuthor, { idOrSlug: id }))
    t.match(restored, { id }, 'each can come back')
    t.ok(
      (await rowsOf(opened)).some((row) => row.id === id && row.number === number),
      'with its number'
    )
  }
  await assertOneOrder(t, opened, 4)
  const reopened = await openDatabase(opened.url)
  t.teardown(() => reopened.close())
  await outcomeOf(
    database,
    callOf('owner', patchAuthor, {
      idOrSlug: [...given.keys()].at(-1) as string,
      ...NONE,
      patch: { note: 'x' }
    })
  )
  await createAt(reopened, stampAt(NOW + 1))
  await assertOneOrder(t, opened, 5)
})
