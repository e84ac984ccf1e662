/** What is done to the database of a crash test to prove that it would be noticed. */
import assert from 'node:assert/strict'
import argon2 from 'argon2'
import Sqlite from 'better-sqlite3'
import { termsOf } from '../../db/authors/words.ts'
import type { Account } from '../../scripts/crash/account.ts'
import type { Campaign } from '../../scripts/crash/campaign.ts'
import type { ImportFile } from '../../scripts/crash/import-file.ts'
import type { Life } from '../../scripts/crash/life.ts'

/** Something that was damaged, and what must be told of it. */
export interface Damage {
  name: string
  faults: RegExp[]
}

const NUMBER = '(select number from authors where id = @id)'
/** A version of which the feed has not told yet. */
const UNTOLD = `author_number = ${NUMBER} and version = @untold + 1`

/** What is done to an author that was acknowledged, each to another one, and how that is told. */
const AUTHOR_DAMAGES = new Map([
  ['delete from authors where id = @id', /^lost: the whole of author /],
  [
    "update authors set record = json_set(record, '$.note', 'half') where id = @id",
    /^not as it was sent: change /
  ],
  ["update authors set record = record || ' ' where id = @id", /^changed: GET of author /],
  [
    'update authors set birth_year = birth_year + 1 where id = @id',
    /^half: the columns of an author are not its record: /
  ],
  [
    'update authors set owner_number = null where id = @id',
    /^half: the columns of an author are not its record: /
  ],
  [
    "update authors set name_key = name_key || 'x' where id = @id",
    /^half: the keys of an author are not those of its record: /
  ],
  [
    "update authors set sort_key = coalesce(sort_key, '') || 'x' where id = @id",
    /^half: the keys of an author are not those of its record: /
  ],
  [
    "update authors set version = version + 1, record = json_set(record, '$.version', version + 1) where id = @id",
    /^half: an author is not its last change: /
  ],
  [
    `delete from changes where author_number = ${NUMBER} and version = (select version from authors where id = @id)`,
    /^lost: changes \d+ to \d+ in the feed of author /
  ],
  [
    `update author_words set words = replace((select terms(record) from authors where id = @id),
      (select lower(substr(name, 7)) from authors where id = @id), '') where rowid = ${NUMBER}`,
    /^half: an author lacks a term: /
  ],
  [
    `update author_words set words = (select terms(record) || ' stranger' from authors where id = @id) where rowid = ${NUMBER}`,
    /^half: a term is of no author: /
  ],
  [`delete from author_words where rowid = ${NUMBER}`, /^half: the word index has no entry of an author: /],
  [
    `update changes set actor_number = ${Number.MAX_SAFE_INTEGER} where author_number = ${NUMBER} and version = 1`,
    /^half: the actor of a change is nobody: /
  ],
  [
    `update changes set sequence = (select max(sequence) + 1 from changes) where author_number = ${NUMBER} and version = 1`,
    /^half: an author is not numbered by its creation: /
  ],
  [
    `update changes set at = '2020-01-01T00:00:00.000Z' where ${UNTOLD}`,
    /^half: a change is not of the version that it says: /
  ],
  [
    `delete from changes where author_number = ${NUMBER} and version = @untold`,
    /^half: a change is missing between others: /
  ],
  [
    `update changes set operation = 'replaced' where author_number = ${NUMBER} and version = 1`,
    /^half: a change does not follow from the one before: /
  ],
  [
    `update changes set before = (select record from authors where id = @id) where ${UNTOLD}`,
    /^half: a change does not say what it replaced: /
  ],
  [
    `update changes set before = json_set(before, '$.note', 'half') where ${UNTOLD}`,
    /^not as it was sent: change /
  ],
  [
    `update changes set before = null where ${UNTOLD}`,
    /^half: a version is no more what it was, or still is though it was deleted: /
  ],
  [
    `update changes set before = json_set(before, '$.owner_id', null) where ${UNTOLD}`,
    /^half: a change has changed what it must leave: /
  ]
])
const FOREIGN_ID = '00000000-0000-7000-8000-000000000000'
const FOREIGN = `insert into authors (number, id, slug, booker_prize, birth_year, owner_number, version, updated_at, name_key, book_key, sort_key, record)
  select (select max(sequence) + 100000 from changes), '${FOREIGN_ID}', 'x', booker_prize, birth_year, owner_number, version, updated_at, 'x', book_key, sort_key,
  json_set(record, '$.id', '${FOREIGN_ID}') from authors limit 1`
const UNDO_LOGOUT = 'update sessions set ended_at = null, end_reason = null where id = @id'
const ADD_USER = `insert into users (id, username, username_key, password_hash, created_at)
  values (@id, @username, @key, @hash, '2026-01-01T00:00:00.000Z')`
const ADD_SESSION = `insert into sessions select @session, (select number from users where id = @id), null, created_at, last_used_at,
  idle_expires_at, expires_at, null, null, @session, @session, null, null, null from sessions limit 1`
const UNDO_DISOWNING = `update authors set (owner_number, version, updated_at, record) = (
    select (select users.number from users where users.id = before ->> 'owner_id'), version - 1, before ->> 'updated_at', before
    from changes where author_number = authors.number and operation = 'disowned'
  ) where id = @id`
const GIVE_OWNER = `update authors set owner_number = (select number from users where id = @owner),
  record = json_set(record, '$.owner_id', @owner) where id = @id`
const UNKNOWN_CHANGES = `select sequence from changes where author_number = ? and operation <> 'deleted'
  and not exists (select 1 from authors where number = author_number and authors.version = changes.version)
  and (select before from changes as next where next.author_number = changes.author_number and next.version = changes.version + 1) is null`
const PARTS_OF_AUTHOR = [
  `changes where author_number = ${NUMBER}`,
  `author_words where rowid = ${NUMBER}`,
  'authors where id = @id'
]

/** Damages something of each kind. */
export async function damage(databaseFile: string, { journal, visitors }: Campaign): Promise<Damage[]> {
  const database = new Sqlite(databaseFile)
  const files = [...journal.files].filter(({ isAcknowledged, mode }) => isAcknowledged && mode === 'all')
  const deleted = [...journal.accounts].find(({ isDeleted }) => isDeleted) as Account
  try {
    return [
      addForeignAuthor(database),
      addForeignTerm(database),
      ...damageAuthors(database, journal.lives),
      undoLogout(database, visitors[0]?.accounts[0] as Account),
      ...loseRows(database, files[0] as ImportFile),
      halve(database, files[1] as ImportFile),
      ...(await undoDeletion(database, deleted)),
      ...giveOwnersBack(database, deleted),
      leaveUserBehind(database)
    ]
  } finally {
    database.close()
  }
}

function change(database: Sqlite.Database, statement: string, values: object): void {
  assert.equal(database.prepare(statement).run(values).changes, 1, statement)
}

function addForeignAuthor(database: Sqlite.Database): Damage {
  database.exec(FOREIGN)
  return {
    name: FOREIGN_ID,
    faults: [/^not as it was sent: /, /^half: the order of numbers is not that of ids: /]
  }
}

function addForeignTerm(database: Sqlite.Database): Damage {
  const number = Number.MAX_SAFE_INTEGER - 1
  database.exec(`insert into author_words (rowid, words) values (${number}, 'stranger')`)
  const faults = [/^half: a term is of no author: /, /^half: the word index has an entry of no author: /]
  return { name: `(number ${number})`, faults }
}

/** Those that name no untold version take an author that has only one, so that one fault does not bring others. */
function damageAuthors(database: Sqlite.Database, lives: Iterable<Life>): Damage[] {
  database.function('terms', (record) => termsOf(JSON.parse(record as string)))
  const fresh = [...lives].filter(({ author, pending, shown, versions }) => {
    return author !== null && pending.length === 0 && shown < versions.length
  })
  return [...AUTHOR_DAMAGES].flatMap(([statement, fault]) => {
    const isUntold = statement.includes('@untold')
    const isFit = (one: Life) => (isUntold ? untoldOf(one) > 0 : one.versions.length === 1)
    const life = fresh.find(isFit)
    assert.ok(life, `no author is left for: ${statement}`)
    fresh.splice(fresh.indexOf(life), 1)
    const { id = '' } = life
    const number = numberOf(database, id)
    change(database, statement, { id, ...(isUntold && { untold: untoldOf(life) }) })
    return [{ name: id, faults: [fault] }, ...leftOf(database, number)]
  })
}

/** A version before the last that is there, that the feed has not shown, and that was replaced or patched; 0 if there is none. */
function untoldOf({ shown, versions }: Life): number {
  const isUsual = (at: number) => ['replaced', 'patched'].includes(versions[at]?.operation ?? '')
  return versions.findIndex(({ record }, at) => at >= shown && record !== null && isUsual(at + 1)) + 1
}

function undoLogout(database: Sqlite.Database, { username, sessions }: Account): Damage {
  change(database, UNDO_LOGOUT, { id: sessionIdIn(sessions[0]?.token) })
  return { name: username, faults: [/^lost: the logout of a session of /] }
}

/** One row is lost, and another is not found. */
function loseRows(database: Sqlite.Database, { word, rows }: ImportFile): Damage[] {
  const [lost, unindexed] = [idOf(database, rows[7]), idOf(database, rows[8])]
  const number = numberOf(database, lost)
  change(database, 'delete from authors where id = @id', { id: lost })
  change(database, `delete from author_words where rowid = ${NUMBER}`, { id: unindexed })
  return [
    ...leftOf(database, number),
    { name: unindexed, faults: [/^half: the word index has no entry of an author: /] },
    { name: word, faults: [/^lost: 1 of \d+ rows of import /, /^not found: 1 of \d+ rows of import /] }
  ]
}

/** As if nobody knew whether it was done. */
function halve(database: Sqlite.Database, file: ImportFile): Damage {
  file.isAcknowledged = false
  for (const life of file.rows.filter((_life, index) => index % 2 === 0)) {
    const id = idOf(database, life)
    for (const part of PARTS_OF_AUTHOR) database.prepare(`delete from ${part}`).run({ id })
  }
  return { name: file.word, faults: [/^half: \d+ of \d+ rows of import /] }
}

/** The account is there again, with a session. */
async function undoDeletion(database: Sqlite.Database, account: Account): Promise<Damage[]> {
  const { id = '', username, password, sessions } = account
  change(database, ADD_USER, { id, username, key: username, hash: await argon2.hash(password) })
  change(database, ADD_SESSION, { id, session: sessionIdIn(sessions[0]?.token) })
  return [
    {
      name: username,
      faults: [
        /^lost: the deletion \(it is listed\) of account /,
        /^lost: the deletion \(it logs in\) of account /,
        /^lost: the deletion \(its token is good\) of account /
      ]
    },
    { name: id, faults: [/^half: a user is there and is gone: /] }
  ]
}

/** One author has never lost it, and another has it again. */
function giveOwnersBack(database: Sqlite.Database, { id: owner, authors }: Account): Damage[] {
  const [still, again] = authors.map((life) => idOf(database, life)) as [string, string]
  change(database, UNDO_DISOWNING, { id: still })
  change(database, `delete from changes where author_number = ${NUMBER} and operation = 'disowned'`, {
    id: still
  })
  change(database, GIVE_OWNER, { id: again, owner })
  return [
    { name: still, faults: [/^owner: author .+ of the deleted account .+ has its owner still$/] },
    {
      name: again,
      faults: [/^not as it was sent: change /, /^half: a change has changed what it must leave: /]
    }
  ]
}

function leaveUserBehind(database: Sqlite.Database): Damage {
  const id = 'ffffffff-ffff-7fff-bfff-fffffffffffe'
  change(database, ADD_USER, { id, username: id, key: `DELETED ${id}`, hash: 'none' })
  return { name: id, faults: [/^half: an account is deleted in part: /] }
}

function idOf(database: Sqlite.Database, life: Life | undefined): string {
  return database.prepare('select id from authors where name = ?').pluck().get(life?.name) as string
}

function numberOf(database: Sqlite.Database, id: string): number {
  return database.prepare('select number from authors where id = ?').pluck().get(id) as number
}

/** What does not tell any more whose it is: changes, and all of an author that is lost. */
function leftOf(database: Sqlite.Database, number: number): Damage[] {
  const isThere = database.prepare('select 1 from authors where number = ?').get(number) !== undefined
  const faults = [/^half: a term is of no author: /, /^half: a version is no more what it was, or still is /]
  return [
    ...(database.prepare(UNKNOWN_CHANGES).pluck().all(number) as number[]).map((sequence) => {
      return { name: `(change ${sequence})`, faults: [/^not as it was sent: /] }
    }),
    ...(isThere ? [] : [{ name: `(number ${number})`, faults }])
  ]
}

function sessionIdIn(accessToken = ''): string {
  return JSON.parse(Buffer.from(accessToken.split('.')[1] as string, 'base64url').toString()).sid
}
