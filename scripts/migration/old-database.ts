/** Databases of the schema before lean rows, with rows in all tables. */
import { createHash } from 'node:crypto'
import Sqlite from 'better-sqlite3'
import { openForMigrations } from '../../db/dialect.ts'
import { createMigrator, resultsOf } from '../../db/migrator.ts'
import { rebuildDown } from '../../migrations/0014-lean-rows.ts'
import { type Author, type Change, OldLog, uuidAt } from './old-log.ts'

/** How texts were folded, and split into words, then. */
export const oldFold = rebuildDown.functions.fold
export const LAST_MIGRATION = '0013-create-account-deletions'
const USERS_BEGAN = Date.UTC(2025, 11, 1)
const AT = '2026-02-01T00:00:00.000Z'
const LATER = '2027-02-01T00:00:00.000Z'
const UNKNOWN_YEAR = 9999

export interface OldDatabase {
  authors: number
  /** A quarter of them is gone again, but for one at least. */
  users: number
  changesAnAuthor?: number
}

/** Makes the file, the same each time. */
export async function makeOldDatabase(file: string, sizes: OldDatabase): Promise<void> {
  const db = openForMigrations(file)
  resultsOf(await createMigrator(db).migrateTo(LAST_MIGRATION))
  await db.destroy()
  const database = new Sqlite(file)
  database.pragma('synchronous = off')
  database.pragma('cache_size = -262144')
  fill(database, sizes)
  database.close()
}

function fill(database: Sqlite.Database, { authors, users, changesAnAuthor = 1.6 }: OldDatabase): void {
  const random = randomNumbers()
  const ids = Array.from({ length: users }, (_, number) => uuidAt(USERS_BEGAN + 1000 * number, random))
  const leaving = new Set(ids.filter((_, number) => number % 4 === 1))
  const [admin, pending] = [ids[0] as string, ids.at(-1) as string]
  const log = new OldLog(ids, random)
  database.transaction(() => {
    for (const [number, id] of ids.entries()) addUser(database, id, number, admin)
    for (const change of log.write(authors, changesAnAuthor)) addChange(database, change)
    for (const change of log.disown(leaving, admin)) addChange(database, change)
    for (const author of log.authors.values()) addAuthor(database, author)
    addWords(database, log.authors.values())
    for (const id of leaving) database.prepare('delete from users where id = ?').run(id)
    if (leaving.has(pending)) return
    insert(database, 'account_deletions', {
      user_id: pending,
      actor_id: [...leaving][0] ?? admin,
      begun_at: AT
    })
    database.prepare('update users set disabled_at = ? where id = ?').run(AT, pending)
  })()
}

function addUser(database: Sqlite.Database, id: string, number: number, admin: string): void {
  insert(database, 'users', {
    id,
    username: `Üser ${number}`,
    username_key: `üser ${number}`,
    password_hash: `hash of ${number}`,
    created_at: AT,
    role: id === admin ? 'admin' : number % 3 === 0 ? 'reader' : 'editor',
    disabled_at: number % 5 === 4 ? AT : null,
    username_skeleton: number % 7 === 6 ? null : `user ${number}`
  })
  for (let session = 0; session <= number % 3; session++) addSession(database, id, `${number}.${session}`)
  const key = hashOf(`key ${number}`)
  if (number % 2 === 0) {
    const scope = number % 4 === 0 ? 'read' : 'write'
    const times = { created_at: AT, expires_at: number % 4 === 0 ? LATER : null, last_used_at: null }
    insert(database, 'api_keys', {
      id: key.slice(0, 36),
      user_id: id,
      name: 'ключ',
      scope,
      key_hash: key,
      ...times
    })
  }
  if (number % 3 === 0)
    insert(database, 'password_resets', { user_id: id, code_hash: key, expires_at: LATER })
  insert(database, 'idempotency_keys', {
    user_id: id,
    key: `key "${number}"`,
    fingerprint: key,
    status: 201,
    headers: '{"etag":"\\"1\\""}',
    body: number % 2 === 0 ? '{"é":1}' : null,
    created_at: AT
  })
  insert(database, 'rate_limits', {
    key: `register:${number}`,
    points: number,
    expires_at: 1_800_000_000_000
  })
}

function addSession(database: Sqlite.Database, user_id: string, name: string): void {
  const hasEnded = name.endsWith('1')
  const wasRotated = name.endsWith('2')
  const id = hashOf(`session ${name}`).slice(0, 36)
  insert(database, 'sessions', {
    id,
    user_id,
    user_agent: wasRotated ? null : 'curl/8 “é”',
    created_at: AT,
    last_used_at: AT,
    idle_expires_at: LATER,
    expires_at: LATER,
    ended_at: null,
    end_reason: null,
    family_hash: hashOf(`family ${name}`),
    refresh_hash: hashOf(`refresh ${name}`),
    previous_hash: wasRotated ? hashOf(`previous ${name}`) : null,
    rotation_salt: wasRotated ? 'salt' : null,
    rotated_at: wasRotated ? AT : null
  })
  // By a trigger this is in the log of accounts, too.
  if (hasEnded) {
    database.prepare("update sessions set ended_at = ?, end_reason = 'logout' where id = ?").run(AT, id)
  }
}

function addChange(database: Sqlite.Database, change: Change): void {
  insert(database, 'changes', change)
}

function addAuthor(database: Sqlite.Database, author: Author): void {
  insert(database, 'authors', oldRowOf(author))
}

/** The row of an author as it was. */
export function oldRowOf(author: Author) {
  const { identifiers, booker_prize, ...rest } = author
  return {
    ...rest,
    ...identifiers,
    booker_prize: booker_prize ? 1 : 0,
    name_key: oldFold(author.name),
    book_key: oldFold(author.book),
    country_key: oldFold(author.country),
    words: wordsOfAuthor(author)
      .map((word) => ` ${word}`)
      .join(''),
    birth_key: author.birth_year ?? UNKNOWN_YEAR,
    record: JSON.stringify(author)
  }
}

export function wordsOfAuthor({ name, book, country }: Pick<Author, 'name' | 'book' | 'country'>): string[] {
  return JSON.parse(rebuildDown.functions.word_list(name, book, country))
}

/** In the order of the table, for a million authors have ten million. */
function addWords(database: Sqlite.Database, authors: Iterable<Author>): void {
  database.exec('create temp table unsorted (word, author_id)')
  const add = database.prepare('insert into unsorted values (?, ?)')
  for (const author of authors) for (const word of wordsOfAuthor(author)) add.run(word, author.id)
  database.exec('insert into author_words select * from unsorted order by 1, 2; drop table unsorted')
}

const statements = new WeakMap<Sqlite.Database, Map<string, Sqlite.Statement>>()

function insert(database: Sqlite.Database, table: string, row: object): void {
  const ofDatabase = statements.get(database) ?? new Map<string, Sqlite.Statement>()
  statements.set(database, ofDatabase)
  const columns = Object.keys(row)
  const source = `insert into ${table} (${columns}) values (${columns.map(() => '?')})`
  const statement = ofDatabase.get(source) ?? database.prepare(source)
  ofDatabase.set(source, statement)
  statement.run(Object.values(row))
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Numbers from 0 up to 1, the same each time (mulberry32). */
function randomNumbers(): () => number {
  let state = 20_270_301
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
