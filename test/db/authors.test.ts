import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { Kysely } from 'kysely'
import t, { type Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import { listAuthors } from '../../db/authors/finding.ts'
import { findAuthor } from '../../db/authors/reading.ts'
import { etagOf } from '../../db/authors/representation.ts'
import { disownSome } from '../../db/authors/writing.ts'
import type { Call, CallerCredential, Command, Representation } from '../../db/command.ts'
import {
  createAuthor,
  deleteAuthor,
  patchAuthor,
  replaceAuthor,
  restoreAuthor
} from '../../db/commands/authors.ts'
import { type Database, openDatabase, type Tables } from '../../db/database.ts'
import { Connection } from '../../db/sqlite/connection.ts'
import { ConnectionDialect } from '../../db/sqlite/dialect.ts'
import { AUTHOR, temporaryFolder } from '../helpers.ts'

const USERS = { owner: 'editor', other: 'editor', admin: 'admin', reader: 'reader' } as const
type Name = keyof typeof USERS

const AT = '2026-11-25T10:00:00.000Z'
const LATER = '2999-01-01T00:00:00.000Z'
const NONE = { preconditions: {} }

const idOf = (name: Name) => `00000000-0000-7000-8000-${Buffer.from(name).toString('hex').padStart(12, '0')}`
const credentialOf = (name: Name): CallerCredential => ({
  id: idOf(name),
  role: USERS[name],
  sessionId: `session of ${name}`
})

/** A database of the test's own with one user of each name, and a connection of which it knows nothing. */
async function open(t: Test) {
  const file = path.join(temporaryFolder(t), 'library.db')
  const database = await openDatabase(file)
  const dialect = new ConnectionDialect(() => new Connection(new Sqlite(file, { timeout: 2000 })))
  const direct = new Kysely<Tables>({ dialect })
  t.teardown(async () => {
    await direct.destroy()
    await database.close()
  })
  for (const name of Object.keys(USERS) as Name[]) await insertSession(direct, name)
  return { database, direct }
}

async function insertSession(db: Kysely<Tables>, name: Name): Promise<void> {
  const user = { id: idOf(name), username: name, username_key: name, username_skeleton: name }
  await db
    .insertInto('users')
    .values({ ...user, password_hash: 'x', role: USERS[name], created_at: AT, disabled_at: null })
    .execute()
  await db
    .insertInto('sessions')
    .values({
      id: `session of ${name}`,
      user_id: user.id,
      user_agent: null,
      created_at: AT,
      last_used_at: AT,
      idle_expires_at: LATER,
      expires_at: LATER,
      family_hash: 'x',
      refresh_hash: 'x'
    } as never)
    .execute()
}

function callOf<Input extends object>(
  name: Name,
  command: Command<Input, Representation>,
  input: Input
): Call {
  const stamp = { id: uuidv7(), at: new Date().toISOString() }
  return { command: command.name, input, stamp, credential: credentialOf(name), form: undefined }
}

/** What became of a call: the author's JSON, or the code of the problem with what it says. */
async function outcomeOf(database: Database, call: Call): Promise<unknown> {
  try {
    const { body } = (await database.run(call)) as Representation
    return body === null ? null : JSON.parse(body)
  } catch (error) {
    const { code, details, extras } = error as { code: string; details: string[]; extras: object }
    return { code, details, extras }
  }
}

function rowsOf(db: Kysely<Tables>) {
  return Promise.all([
    db.selectFrom('authors').selectAll().orderBy('id').execute(),
    db.selectFrom('author_words').selectAll().orderBy('author_id').orderBy('word').execute(),
    db.selectFrom('changes').selectAll().orderBy('sequence').execute()
  ])
}

t.test('a call does the same whenever and beside whatever it is run', async (t) => {
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
  t.same(await rowsOf(other.direct), await rowsOf(one.direct))
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

t.test('of several refusals the first in a fixed order is given', async (t) => {
  const { database } = await open(t)
  const identifiers = { viaf: '1', isni: '000000012146438X', wikidata: 'Q1', openlibrary: 'OL1A' }
  const { id } = (await outcomeOf(
    database,
    callOf('owner', createAuthor, { content: { ...AUTHOR, identifiers } })
  )) as { id: string }
  await outcomeOf(database, callOf('other', createAuthor, { content: { ...AUTHOR, book: 'Shame' } }))
  const exists = { code: 'AUTHOR_EXISTS', details: ['/authors/salman-rushdie'] }
  const life = { birth_year: 2000, death_year: 1900 }
  const own = { idOrSlug: 'salman-rushdie-2', ...NONE }
  for (const [taken, refusal] of [
    [{}, exists],
    [{ viaf: '1' }, { code: 'IDENTIFIER_TAKEN', details: ['viaf'] }],
    [
      { viaf: '1', isni: identifiers.isni },
      { code: 'IDENTIFIER_TAKEN', details: ['isni'] }
    ],
    [
      { isni: identifiers.isni, wikidata: 'Q1' },
      { code: 'IDENTIFIER_TAKEN', details: ['wikidata'] }
    ],
    [identifiers, { code: 'IDENTIFIER_TAKEN', details: ['openlibrary'] }]
  ] as const) {
    const content = { ...AUTHOR, name: 'SALMAN rushdié', identifiers: taken }
    const patch = { name: content.name, book: AUTHOR.book, identifiers: taken }
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

t.test('authors lose their owner some at a time, each with a change of its own', async (t) => {
  const { database, direct } = await open(t)
  for (let i = 0; i < 5; i++) {
    await outcomeOf(database, callOf('owner', createAuthor, { content: { ...AUTHOR, book: `Book ${i}` } }))
  }
  await outcomeOf(database, callOf('other', createAuthor, { content: AUTHOR }))
  const slice = () => disownSome(direct, idOf('owner'), idOf('admin'), AT, 2)
  t.strictSame([await slice(), await slice(), await slice(), await slice()], [2, 2, 1, 0])
  const [authors, , changes] = await rowsOf(direct)
  t.equal(authors.filter(({ owner_id }) => owner_id === null).length, 5)
  for (const { id, record, version, updated_at, owner_id } of authors) {
    const author = await findAuthor(direct, id)
    t.match(author, { version, updated_at, owner_id })
    if (owner_id !== null) continue
    t.match(author, { version: 2, updated_at: AT })
    const {
      operation,
      actor_id,
      at,
      record: logged
    } = changes.findLast(({ author_id }) => author_id === id) ?? {}
    t.strictSame([operation, actor_id, at, logged], ['disowned', idOf('admin'), AT, record])
  }
})

t.test('a page ends where its authors do, though others write at that moment', async (t) => {
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
