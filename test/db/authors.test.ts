import { setImmediate } from 'node:timers/promises'
import { disownSome } from '../../db/authors/disowning.ts'
import { listAuthors } from '../../db/authors/finding.ts'
import { findAuthor } from '../../db/authors/reading.ts'
import { etagOf } from '../../db/authors/representation.ts'
import type { AuthorContent } from '../../db/authors/table.ts'
import { findVersion, listHistory } from '../../db/changes.ts'
import {
  createAuthor,
  deleteAuthor,
  patchAuthor,
  replaceAuthor,
  restoreAuthor
} from '../../db/commands/authors.ts'
import { unsoundnessOf } from '../../scripts/crash/soundness.ts'
import { test } from '../engines.ts'
import { AUTHOR, numberOf } from '../helpers.ts'
import { AT, callOf, idOf, NONE, open, outcomeOf } from './catalogue.ts'

function rowsOf({ direct: db }: Awaited<ReturnType<typeof open>>) {
  return Promise.all([
    db.selectFrom('authors').selectAll().orderBy('number').execute(),
    db.selectFrom('changes').selectAll().orderBy('sequence').execute()
  ])
}

test('a call does the same whenever and beside whatever it is run', async (t) => {
  const [one, other] = [await open(t), await open(t)]
  const target = (idOrSlug: string) => ({ idOrSlug, ...NONE })
  const calls = [
    callOf('owner', createAuthor, { content: { ...AUTHOR, identifiers: { viaf: '1' } } }),
    callOf('other', createAuthor, { content: AUTHOR }),
    callOf('other', createAuthor, { content: { ...AUTHOR, book: 'Shame' } }),
    callOf('reader', createAuthor, { content: { ...AUTHOR, book: 'Fury' } }),
    callOf('owner', replaceAuthor, { ...target('salman-rushdie'), content: { ...AUTHOR, book: 'Grimus' } }),
    callOf('owner', patchAuthor, { ...target('salman-rushdie-2'), patch: { note: 'x' } }),
    callOf('admin', patchAuthor, { ...target('salman-rushdie-2'), patch: { note: 'y' } }),
    callOf('owner', deleteAuthor, target('salman-rushdie')),
    callOf('other', createAuthor, { content: { ...AUTHOR, book: 'Quichotte' } }),
    callOf('owner', restoreAuthor, { idOrSlug: 'salman-rushdie' }),
    callOf('owner', deleteAuthor, target('nobody'))
  ]
  const oneByOne: unknown[] = []
  for (const call of calls) oneByOne.push(await outcomeOf(one.database, call))
  const together = await Promise.all(calls.map((call) => outcomeOf(other.database, call)))
  t.strictSame(together, oneByOne)
  t.same(await rowsOf(other), await rowsOf(one))
  for (const { url } of [one, other]) t.strictSame(await unsoundnessOf(url), [])
  t.match(
    oneByOne.map((outcome) => (outcome as { code?: string } | null)?.code ?? 'done'),
    ['done', 'AUTHOR_EXISTS', 'done', 'ROLE_REQUIRED', 'done', 'NOT_OWNER', 'done', 'done', 'done'].concat([
      'AUTHOR_NOT_DELETED',
      'AUTHOR_NOT_FOUND'
    ])
  )
  const [created] = oneByOne as [{ id: string; created_at: string }]
  t.equal(created.id, calls[0]?.stamp.id)
  const [replaced] = oneByOne.slice(4) as [{ updated_at: string }]
  t.equal(replaced.updated_at, calls[4]?.stamp.at)
})

test('of several refusals the first in a fixed order is given', async (t) => {
  const { database } = await open(t)
  const IMPOSTOR = { ...AUTHOR, name: 'Ahmed Rushdie', book: 'Shame' }
  const identifiers = { viaf: '1', isni: '000000012146438X', wikidata: 'Q1', openlibrary: 'OL1A' }
  const { id } = (await outcomeOf(
    database,
    callOf('owner', createAuthor, { content: { ...AUTHOR, identifiers } })
  )) as { id: string }
  await outcomeOf(database, callOf('other', createAuthor, { content: IMPOSTOR }))
  const exists = { code: 'AUTHOR_EXISTS', details: ['/authors/salman-rushdie'] }
  const life = { birth_year: 2000, death_year: 1900 }
  const own = { idOrSlug: 'ahmed-rushdie', ...NONE }
  const taken = (scheme: string) => ({
    code: 'IDENTIFIER_TAKEN',
    details: ['/authors/salman-rushdie', scheme]
  })
  const namesake = { ...AUTHOR, name: 'SALMAN rushdié' }
  const other = { ...AUTHOR, name: 'Somebody else' }
  for (const [content, refusal] of [
    [namesake, exists],
    [{ ...namesake, identifiers }, exists],
    [{ ...other, identifiers: { viaf: '1' } }, taken('viaf')],
    [{ ...other, identifiers: { viaf: '1', isni: identifiers.isni } }, taken('isni')],
    [{ ...other, identifiers: { isni: identifiers.isni, wikidata: 'Q1' } }, taken('wikidata')],
    [{ ...other, identifiers }, taken('openlibrary')]
  ] as [AuthorContent, object][]) {
    const patch = { name: content.name, book: AUTHOR.book, identifiers: content.identifiers ?? {} }
    for (const call of [
      callOf('other', createAuthor, { content }),
      callOf('other', replaceAuthor, { ...own, content }),
      callOf('other', patchAuthor, { ...own, patch })
    ]) {
      t.match(await outcomeOf(database, call), refusal, call.command)
    }
    const impossible = callOf('other', createAuthor, { content: { ...content, ...life } })
    t.match(await outcomeOf(database, impossible), {
      code: 'VALIDATION_FAILED',
      extras: { errors: [{ pointer: '/death_year', detail: /not be before birth_year, which is 2000/ }] }
    })
  }
  const stale = { idOrSlug: id, preconditions: { ifMatch: '"x"' } }
  const bad = { ...AUTHOR, ...life }
  t.match(await outcomeOf(database, callOf('other', replaceAuthor, { ...stale, content: bad })), {
    code: 'NOT_OWNER'
  })
  const etag = etagOf({ id, version: 1 })
  t.match(await outcomeOf(database, callOf('owner', replaceAuthor, { ...stale, content: bad })), {
    code: 'STALE_VERSION',
    details: [etag],
    extras: { headers: { etag } }
  })
})

test('authors lose their owner some at a time, each with a change of its own', async (t) => {
  const { url, database, direct } = await open(t)
  for (let i = 0; i < 5; i++) {
    await outcomeOf(database, callOf('owner', createAuthor, { content: { ...AUTHOR, book: `Book ${i}` } }))
  }
  await outcomeOf(database, callOf('other', createAuthor, { content: AUTHOR }))
  const before = await direct.selectFrom('authors').select('record').orderBy('number').execute()
  const by = {
    user_number: await numberOf(direct, idOf('owner')),
    actor_number: await numberOf(direct, idOf('admin'))
  }
  const slice = () => disownSome(direct, by, AT, 2)
  t.strictSame([await slice(), await slice(), await slice(), await slice()], [2, 2, 1, 0])
  const authors = await direct.selectFrom('authors').selectAll().orderBy('number').execute()
  t.equal(authors.filter(({ owner_number }) => owner_number === null).length, 5)
  for (const [index, { number, id, record, version, updated_at, owner_number }] of authors.entries()) {
    const author = await findAuthor(direct, id)
    t.strictSame(author?.record, record)
    t.match(author, { version, owner_number })
    const owner_id = owner_number === null ? null : idOf('other')
    t.match(JSON.parse(record), { version, updated_at, owner_id })
    const [last] = await listHistory(direct, number, { limit: 1, before: undefined })
    t.strictSame(JSON.stringify(last?.record), record)
    if (owner_number !== null) continue
    t.match(JSON.parse(record), { version: 2, updated_at: AT })
    t.match(last, { author_id: id, version: 2, operation: 'disowned', actor_id: idOf('admin'), at: AT })
    const first = await findVersion(direct, number, 1)
    t.strictSame(JSON.stringify(first), before[index]?.record)
  }
  t.strictSame(await unsoundnessOf(url), [])
})

test('a page ends where its authors do, though others write at that moment', async (t) => {
  const { database } = await open(t)
  const limit = 3
  let isWriting = true
  async function write() {
    for (let i = 0; i < 300; i++) {
      await outcomeOf(database, callOf('owner', createAuthor, { content: { ...AUTHOR, book: `Book ${i}` } }))
    }
    isWriting = false
  }
  const written = write()
  const order = { by: 'created_at', descending: true } as const
  let pages = 0
  for (; isWriting; pages++) {
    const { records, last } = await listAuthors(database.reads, {}, order, { limit, after: undefined })
    const authors: { id: string }[] = JSON.parse(`[${records}]`)
    if (last !== undefined && authors[limit - 1]?.id !== last[0]) t.fail(`${records} does not end at ${last}`)
    await setImmediate()
  }
  await written
  t.ok(pages > 300, `${pages} pages`)
})
