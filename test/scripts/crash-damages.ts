/** What is done to the database of a crash test to prove that it would be noticed. */
import assert from 'node:assert/strict'
import argon2 from 'argon2'
import Sqlite from 'better-sqlite3'
import type { Account } from '../../scripts/crash/account.ts'
import type { Campaign } from '../../scripts/crash/campaign.ts'
import type { ImportFile } from '../../scripts/crash/import-file.ts'
import type { Life } from '../../scripts/crash/life.ts'

/** Something that was damaged, and what must be told of it. */
export interface Damage {
  name: string
  faults: RegExp[]
}

/** What is done to an author that was acknowledged, each to another one, and how that is told. */
const AUTHOR_DAMAGES = new Map([
  ['delete from authors where id = @id', /^lost: the whole of author /],
  [
    "update authors set record = json_set(record, '$.note', 'half') where id = @id",
    /^changed: GET of author /
  ],
  ["update authors set note = 'half' where id = @id", /^half: the columns of an author are not its record: /],
  [
    "update authors set version = version + 1, record = json_set(record, '$.version', version + 1) where id = @id",
    /^half: an author is not its last change: /
  ],
  [
    'delete from changes where author_id = @id and version = (select version from authors where id = @id)',
    /^lost: changes \d+ to \d+ in the feed of author /
  ],
  [
    'delete from author_words where author_id = @id and word = (select substr(name, 7) from authors where id = @id)',
    /^half: an author lacks a word: /
  ]
])
const FOREIGN = `insert into authors select 'ffffffff-ffff-7fff-bfff-ffffffffffff', 'x', 'x', book, country, booker_prize,
  birth_year, death_year, null, null, null, null, note, owner_id, version, created_at, updated_at, 'x', book_key,
  country_key, words, birth_key, json_set(record, '$.id', 'ffffffff-ffff-7fff-bfff-ffffffffffff') from authors limit 1`
const UNDO_LOGOUT = 'update sessions set ended_at = null, end_reason = null where id = @id'
const ADD_USER = `insert into users (id, username, username_key, password_hash, created_at)
  values (@id, @username, @key, @hash, '2026-01-01T00:00:00.000Z')`
const ADD_SESSION = `insert into sessions select @session, @id, null, created_at, last_used_at, idle_expires_at, expires_at,
  null, null, @session, @session, null, null, null from sessions limit 1`
const UNDO_DISOWNING = `update authors set (owner_id, version, updated_at, record) =
  (select json_extract(record, '$.owner_id'), version, at, record from changes where author_id = @id) where id = @id`
const GIVE_OWNER = `update authors set owner_id = @owner, record = json_set(record, '$.owner_id', @owner) where id = @id`
const PARTS_OF_AUTHOR = [
  'authors where id = @id',
  'changes where author_id = @id',
  'author_words where author_id = @id'
]

/** Damages something of each kind. */
export async function damage(databaseFile: string, { journal, visitors }: Campaign): Promise<Damage[]> {
  const database = new Sqlite(databaseFile)
  const files = [...journal.files].filter(({ isAcknowledged, mode }) => isAcknowledged && mode === 'all')
  const deleted = [...journal.accounts].find(({ isDeleted }) => isDeleted) as Account
  try {
    return [
      addForeignAuthor(database),
      ...damageAuthors(database, journal.lives),
      undoLogout(database, visitors[0]?.accounts[0] as Account),
      ...loseRow(database, files[0] as ImportFile),
      halve(database, files[1] as ImportFile),
      await undoDeletion(database, deleted),
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
  return { name: 'ffffffff-', faults: [/^not as it was sent: /] }
}

function damageAuthors(database: Sqlite.Database, lives: Iterable<Life>): Damage[] {
  const fresh = [...lives].filter(({ author, pending, shown, versions }) => {
    return author !== null && pending.length === 0 && shown < versions.length
  })
  return [...AUTHOR_DAMAGES].map(([statement, fault], index) => {
    const { id = '' } = fresh[index] as Life
    change(database, statement, { id })
    return { name: id, faults: [fault] }
  })
}

function undoLogout(database: Sqlite.Database, { username, sessions }: Account): Damage {
  change(database, UNDO_LOGOUT, { id: sessionIdIn(sessions[0]?.token) })
  return { name: username, faults: [/^lost: the logout of a session of /] }
}

function loseRow(database: Sqlite.Database, { word, rows }: ImportFile): Damage[] {
  const id = idOf(database, rows[7])
  change(database, 'delete from authors where id = @id', { id })
  return [
    { name: id, faults: [/^lost: the whole of author /] },
    { name: word, faults: [/^not found: 1 of \d+ rows of import /] }
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
async function undoDeletion(database: Sqlite.Database, account: Account): Promise<Damage> {
  const { id, username, password, sessions } = account
  change(database, ADD_USER, { id, username, key: username, hash: await argon2.hash(password) })
  change(database, ADD_SESSION, { id, session: sessionIdIn(sessions[0]?.token) })
  return {
    name: username,
    faults: [
      /^lost: the deletion \(it is listed\) of account /,
      /^lost: the deletion \(it logs in\) of account /,
      /^lost: the deletion \(its token is good\) of account /
    ]
  }
}

/** One author has never lost it, and another has it again. */
function giveOwnersBack(database: Sqlite.Database, { id: owner, authors }: Account): Damage[] {
  const [still, again] = authors.map((life) => idOf(database, life)) as [string, string]
  change(database, "delete from changes where author_id = @id and operation = 'disowned'", { id: still })
  change(database, UNDO_DISOWNING, { id: still })
  change(database, GIVE_OWNER, { id: again, owner })
  return [
    { name: still, faults: [/^owner: author .+ of the deleted account .+ has its owner still$/] },
    { name: again, faults: [/^changed: /, /^half: an author is not its last change: /] }
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

function sessionIdIn(accessToken = ''): string {
  return JSON.parse(Buffer.from(accessToken.split('.')[1] as string, 'base64url').toString()).sid
}
