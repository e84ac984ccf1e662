/** `library move`: all of one database to another, both ways. */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import Sqlite from 'better-sqlite3'
import type { FastifyInstance } from 'fastify'
import { CompiledQuery } from 'kysely'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type Config, loadConfig } from '../../config.ts'
import { isServer, openMoveSource, openMoveTarget, upkeepOf } from '../../db/dialect.ts'
import { tryLock } from '../../db/file-lock.ts'
import type { MoveEvent } from '../../db/moving/events.ts'
import { move } from '../../db/moving/move.ts'
import { MOVED_TABLES } from '../../db/moving/tables.ts'
import { holding, SideConnection } from '../../db/sqlite/moving/side.ts'
import { changeKeys } from '../../plugins/signing-keys/key-file.ts'
import { newKey, rotate } from '../../plugins/signing-keys/key-set.ts'
import { WITHOUT_PROFILE } from '../../scripts/bash.ts'
import { moveAll } from '../../scripts/move/move-all.ts'
import { contentsOf, differences } from '../../scripts/movetest/contents.ts'
import {
  basic,
  fillOddly,
  type OddWorld,
  PASSWORD,
  RETRIED,
  RETRY_KEY
} from '../../scripts/movetest/odd-world.ts'
import { movetest } from '../../scripts/movetest.ts'
import { asAdmin, newEmptyDatabase } from '../engines.ts'
import { buildApp, ROOT, startServer, temporaryFolder } from '../helpers.ts'

const SECRET = Buffer.alloc(32, 7).toString('base64')
const OTHER_SECRET = Buffer.alloc(32, 8).toString('base64')
const AUTHORS = 60

/** A new database on a server, without tables. */
function onServer(t: Test): Promise<string> {
  t.context = { engine: 'postgres' }
  return newEmptyDatabase(t)
}

const inFile = (t: Test) => path.join(temporaryFolder(t), 'library.db')
const configFor = (DATABASE_URL: string, more: Partial<Config> = {}) => ({
  ...loadConfig({ DATABASE_URL }),
  ...more
})

/** Moves here; gives what it told. */
async function moveHere(
  from: string,
  to: string,
  { mostRows = 37, ...more }: Partial<Config> & { mostRows?: number; until?: number } = {}
) {
  const { until, ...settings } = more
  const events: MoveEvent[] = []
  const tell = (event: MoveEvent) => {
    if (events.push(event) === until) throw new Error('enough')
  }
  const moved = await moveAll(
    { from: configFor(from, settings), to: configFor(to, settings) },
    { tell, mostRows }
  )
  return { ...moved, events }
}

/** Without the line that every command of the operator ends with. */
const QUIET = { cwd: ROOT, env: { ...process.env, LOG_LEVEL: 'warn' } }

async function runMove(args: string[], variables: Record<string, string> = {}) {
  const env = { ...process.env, LOG_LEVEL: 'warn', DATABASE_URL: '/nowhere/at/all.db', ...variables }
  try {
    return {
      code: 0,
      ...(await promisify(execFile)(process.execPath, ['bin/library.js', 'move', ...args], {
        cwd: ROOT,
        env
      }))
    }
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string }
  }
}

/** A file with something odd in each table, closed; each test has a copy. */
let world: OddWorld
let answers: unknown[]
let filled: string

t.before(async () => {
  filled = inFile(t)
  const service = await buildApp(t, { DATABASE_URL: filled })
  world = await fillOddly(service, AUTHORS)
  answers = await answersOf(service, world)
  await service.close()
})

function source(t: Test): string {
  const file = inFile(t)
  for (const suffix of ['', '.keys.json']) copyFileSync(filled + suffix, file + suffix)
  return file
}

const REQUESTS = [
  '/me',
  '/me/sessions',
  '/me/keys',
  '/users',
  '/authors?limit=7',
  '/authors?sort=name&limit=100',
  '/authors?sort=-birth_year&limit=100',
  '/authors?q=lighthouse',
  '/authors?q=the',
  "/authors?q=d'arc",
  '/authors?q=%D9%86%D8%AC%D9%8A%D8%A8',
  '/authors?q=xxxxx',
  '/authors?country=India&limit=50',
  '/authors?booker_prize=true',
  '/authors?identifier.wikidata=Q42',
  '/authors/homer',
  '/changes?limit=100',
  '/changes?limit=100&after=60',
  '/authors/export?format=ndjson',
  '/.well-known/jwks.json'
]

/** Without what says when it was sent. */
async function answersOf(service: FastifyInstance, { headers, edited, deleted }: OddWorld) {
  const urls = [
    ...REQUESTS,
    `/authors/${edited}`,
    `/authors/${edited}/history?limit=50`,
    `/authors/${deleted}`,
    `/authors/${deleted}/history`
  ]
  const found: unknown[] = []
  for (const url of urls) {
    const { statusCode, body, headers: own } = await service.inject({ url, headers })
    found.push([url, statusCode, own.etag, own['content-type'], body.replace(/"instance":"[^"]*"/, '')])
  }
  let next = '/authors?limit=9'
  while (next !== '') {
    const { body, headers: own } = await service.inject({ url: next, headers })
    found.push(body)
    next = /<([^>]+)>; rel="next"/.exec(String(own.link))?.[1] ?? ''
  }
  return found
}

/** What those who used the service before still can do, and what must not happen twice. */
async function assertGoesOn(t: Test, url: string, more: Partial<Config> = {}) {
  const service = await buildApp(t, { DATABASE_URL: url, ...more })
  const { headers } = world
  t.same(await answersOf(service, world), answers, 'the same answers, with an old token')
  const inject = async (
    method: 'POST' | 'GET',
    url: string,
    headers: Record<string, string>,
    payload?: object
  ) => service.inject({ method, url, headers, ...(payload && { payload }) })
  const retry = await inject('POST', '/authors', { ...headers, 'idempotency-key': RETRY_KEY }, RETRIED)
  t.match(retry, { statusCode: 201 }, 'a retry gets the answer from before')
  t.equal((await inject('GET', '/me', { authorization: `Bearer ${world.apiKey}` })).statusCode, 200)
  t.equal((await inject('POST', '/refresh', {}, { refresh_token: world.refreshToken })).statusCode, 200)
  const reset = { username: 'zoë_forgetful', code: world.resetCode, new_password: `${PASSWORD} again` }
  t.equal((await inject('POST', '/password-reset', {}, reset)).statusCode, 204)
  t.equal((await inject('POST', '/login', { authorization: basic('disabled', PASSWORD) })).statusCode, 401)
  await t.test('numbers are not given twice', async (t) => {
    const last = await service.db
      .selectFrom('changes')
      .select((eb) => eb.fn.max('sequence').as('last'))
      .executeTakeFirst()
    const created = await inject('POST', '/authors', headers, { name: 'After the Move' })
    const { number } = await service.db
      .selectFrom('authors')
      .select('number')
      .where('id', '=', created.json().id)
      .executeTakeFirstOrThrow()
    t.equal(number, Number(last?.last) + 1)
    const gone = await service.db
      .selectFrom('former_users')
      .select((eb) => eb.fn.max('number').as('last'))
      .executeTakeFirst()
    const registered = await inject('POST', '/register', {}, { username: 'newcomer', password: PASSWORD })
    t.equal(registered.statusCode, 201)
    const user = await service.db
      .selectFrom('users')
      .select('number')
      .where('id', '=', registered.json().id)
      .executeTakeFirstOrThrow()
    t.ok(user.number > Number(gone?.last), `${user.number}`)
  })
  await service.housekeeping.finishDeletion(world.leavingId)
  const former = await service.db.selectFrom('former_users').select('id').execute()
  t.ok(
    former.some(({ id }) => id === world.leavingId),
    'the deletion that was under way comes to its end'
  )
  await service.close()
}

t.test('there and back, a service goes on as if nothing had happened', async (t) => {
  const from = source(t)
  const before = bytesOf(from)
  const [there, back] = [await onServer(t), inFile(t)]
  const moved = await moveHere(from, there)
  t.ok(
    moved.tables.every(({ rows }) => rows > 0),
    'there is something in each table'
  )
  t.same(bytesOf(from), before, 'the source is as it was')
  t.notOk(existsSync(`${from}-wal`))
  const returned = await moveHere(there, back)
  t.same(returned.tables, moved.tables, 'the checksums are the same both ways')
  t.same(differences(await contentsOf(from), await contentsOf(back)), [])
  await assertGoesOn(t, there)
  await assertGoesOn(t, back)
})

function bytesOf(file: string): string[] {
  return ['', '-wal'].map((suffix) =>
    existsSync(file + suffix)
      ? createHash('sha256')
          .update(readFileSync(file + suffix))
          .digest('hex')
      : 'none'
  )
}

t.test('signing keys are encrypted on a server, and not in a file', async (t) => {
  const [from, there, back] = [source(t), await onServer(t), inFile(t)]
  // A service that began there has a key of its own, which nobody has used.
  await (await buildApp(t, { DATABASE_URL: there, KEYS_SECRET: OTHER_SECRET })).close()
  await moveHere(from, there, { KEYS_SECRET: SECRET })
  const [key] = await rowsOf<{ private_key: string }>(there, 'select private_key from signing_keys')
  t.match(key?.private_key, /^aes-256-gcm:/)
  await assertGoesOn(t, there, { KEYS_SECRET: SECRET })
  await t.rejects(moveHere(there, back), { message: /are encrypted: set KEYS_SECRET/ })
  await moveHere(there, back, { KEYS_SECRET: SECRET })
  t.same(
    JSON.parse(readFileSync(`${back}.keys.json`, 'utf8')),
    JSON.parse(readFileSync(`${from}.keys.json`, 'utf8'))
  )
})

t.test('keys that a complete target has by now stay, and are given to one that has none', async (t) => {
  const from = source(t)
  for (const to of [await onServer(t), inFile(t)]) {
    await moveHere(from, to)
    const { kid, x, d, created_at, active_from } = newKey(new Date())
    if (isServer(to)) {
      await rowsOf(to, 'delete from signing_keys')
      await rowsOf(
        to,
        `insert into signing_keys values ('${[kid, x, d, created_at, active_from].join("', '")}')`
      )
    } else changeKeys(`${to}.keys.json`, (keys) => rotate(keys, new Date(), 0))
    const before = (await contentsOf(to))['signing keys']
    t.match(await moveHere(from, to), { wasComplete: true })
    t.equal((await contentsOf(to))['signing keys'], before)
    if (isServer(to)) await rowsOf(to, 'delete from signing_keys')
    else rmSync(`${to}.keys.json`)
    t.match(await moveHere(from, to), { wasComplete: true })
    t.same(differences(await contentsOf(from), await contentsOf(to)), [])
  }
})

t.test('from a file to a file, and from a server to a server', async (t) => {
  const [from, file] = [source(t), inFile(t)]
  await moveHere(from, file)
  const [one, other] = [await onServer(t), await onServer(t)]
  await moveHere(file, one)
  await moveHere(one, other)
  t.same(differences(await contentsOf(from), await contentsOf(other)), [])
})

t.test('what a crash has left beside the source is moved too, and stays', async (t) => {
  const from = source(t)
  const crashed = inFile(t)
  const database = new Sqlite(from)
  database.pragma('wal_autocheckpoint = 0')
  database.exec("update users set username = 'Renamed' where username = 'disabled'")
  for (const suffix of ['', '-wal', '.keys.json']) copyFileSync(from + suffix, crashed + suffix)
  database.close()
  const before = bytesOf(crashed)
  const to = await onServer(t)
  await moveHere(crashed, to)
  t.same(bytesOf(crashed), before)
  t.equal((await rowsOf(to, "select from users where username = 'Renamed'")).length, 1)
})

t.test('an empty service is moved, and its first account comes after', async (t) => {
  const from = inFile(t)
  await (await buildApp(t, { DATABASE_URL: from })).close()
  const to = await onServer(t)
  t.match(await moveHere(from, to), { copied: 0, wasComplete: false })
  t.match(await moveHere(from, to), { copied: 0, wasComplete: false }, 'there is nothing by which it is full')
  const service = await buildApp(t, { DATABASE_URL: to })
  const payload = { username: 'first', password: PASSWORD }
  t.equal((await service.inject({ method: 'POST', url: '/register', payload })).statusCode, 201)
})

t.test('after a break it goes on where it was, and what is done is confirmed', async (t) => {
  for (const to of [await onServer(t), inFile(t)]) {
    const from = source(t)
    await t.rejects(moveHere(from, to, { until: 9 }), { message: 'enough' })
    await t.rejects(buildApp(t, { DATABASE_URL: to }), {
      message: /half moved: .*library\.db.* Run the same .*FROM TO. again/
    })
    await t.rejects(moveHere(to, inFile(t)), { message: /half moved/ })
    await t.rejects((await upkeepOf(to)).check(), { message: /half moved: .*library\.db/ })
    const { events, copied } = await moveHere(from, to)
    t.match(events[0], { event: 'resumed' })
    const [{ done = 0, total = 0 } = {}] = events as { done?: number; total?: number }[]
    t.ok(done > 0 && copied === total - done, `${done} of ${total} were there`)
    const again = await moveHere(from, to)
    t.match(again, { wasComplete: true, copied: 0 })
    t.equal((await moveHere(from, to, { mostRows: 2000 })).tables.length, again.tables.length)
  }
})

t.test('a source that has changed meanwhile is moved as it is now', async (t) => {
  const changes = [
    // Seen at once, and when the rows are compared.
    'delete from rate_limits',
    "update users set password_hash = 'another' where username = 'disabled'"
  ]
  for (const change of changes) {
    for (const to of [await onServer(t), inFile(t)]) {
      const from = source(t)
      await t.rejects(moveHere(from, to, { until: 9 }), { message: 'enough' })
      inSqlite(from, change)
      const { events } = await moveHere(from, to)
      t.ok(events.some(({ event }) => event === 'begun_again'))
      t.same(differences(await contentsOf(from), await contentsOf(to)), [])
    }
  }
})

t.test('a row in the place of another of the same key is a change too', async (t) => {
  const [from, to] = [source(t), inFile(t)]
  const columns = 'fingerprint, status, headers, body, created_at'
  const again = (key: string, where = 'true') =>
    inSqlite(
      from,
      `insert into idempotency_keys (user_number, key, ${columns})
        select user_number, ${key}, ${columns} from idempotency_keys where ${where}`
    )
  again("key || '2'")
  const [[before]] = inSqlite(
    from,
    `select ${['users', 'former_users', 'sessions', 'api_keys', 'password_resets', 'account_deletions']
      .map((table) => `(select count(*) from ${table})`)
      .join(' + ')}`
  ) as [[number]]
  // The first of two keys is there then.
  await t.rejects(moveHere(from, to, { mostRows: 1, until: before + 1 }), { message: 'enough' })
  t.same(inSqlite(to, 'select count(*) from idempotency_keys'), [[1]])
  const [[first]] = inSqlite(from, 'select min(id) from idempotency_keys') as [[number]]
  inSqlite(from, `update idempotency_keys set key = key || '0' where id = ${first}`)
  again("rtrim(key, '0')", `id = ${first}`)
  inSqlite(from, `delete from idempotency_keys where id = ${first}`)
  const { events } = await moveHere(from, to)
  t.ok(events.some(({ event }) => event === 'begun_again'))
  t.same(differences(await contentsOf(from), await contentsOf(to)), [])
})

t.test('nobody can write to the source meanwhile, nor read a file before it is whole', async (t) => {
  const [from, to] = [source(t), inFile(t)]
  let tried = 0
  const tell = (event: MoveEvent) => {
    if (event.event !== 'copying' || tried++ > 0) return
    t.throws(() => inSqlite(from, 'delete from rate_limits'), { code: 'SQLITE_BUSY' })
    t.throws(() => inSqlite(to, 'select * from users'), { code: 'SQLITE_BUSY' })
  }
  await moveAll({ from: configFor(from), to: configFor(to) }, { tell })
  t.ok(tried > 0)
  const server = await onServer(t)
  await moveHere(to, server)
  const back = inFile(t)
  const outcomes: Promise<unknown>[] = []
  let [answered, answeredMeanwhile] = [0, 0]
  const statements = ['delete from rate_limits', 'update signing_keys set kid = kid']
  const clients = await Promise.all(statements.map(() => clientOf(t, server)))
  await moveAll(
    { from: configFor(server), to: configFor(back) },
    {
      tell: () => {
        answeredMeanwhile = answered
        if (outcomes.length > 0) return
        for (const [index, statement] of statements.entries())
          outcomes.push((clients[index] as pg.Client).query(statement).finally(() => answered++))
      }
    }
  )
  t.equal(answeredMeanwhile, 0, 'who writes waits until the end')
  await Promise.all(outcomes)
  t.same(differences(await contentsOf(from), await contentsOf(back)), [])
})

t.test('a server to which somebody writes is not moved', async (t) => {
  const [from, server] = [source(t), await onServer(t)]
  await moveHere(from, server)
  const client = await clientOf(t, server)
  await client.query('begin; delete from rate_limits')
  await t.rejects(moveHere(server, inFile(t)), {
    message: /is in use \(a transaction .* is open\): end that first/
  })
})

t.test('what must not be moved is refused in a sentence', async (t) => {
  const from = source(t)
  const refused = async (args: [string, string], message: RegExp) =>
    t.rejects(moveHere(...args), { message }, String(message))
  const link = inFile(t)
  linkSync(from, link)
  await refused([from, from], /is what is to be moved: name another file/)
  await refused([`sqlite:${from}`, link], /is what is to be moved/)
  await refused([path.join(temporaryFolder(t), 'none.db'), inFile(t)], /There is no .*none\.db/)
  await refused([from, temporaryFolder(t)], /is a folder\. Set TO to a file in it/)
  const foreign = inFile(t)
  writeFileSync(
    foreign,
    'not a database, but a text that is long enough to look like the header of one '.repeat(3)
  )
  await refused([foreign, inFile(t)], /is not an SQLite database; it was left untouched. Set FROM/)
  await refused([from, foreign], /is not an SQLite database; it was left untouched. Set TO/)
  const full = inFile(t)
  await (await buildApp(t, { DATABASE_URL: full })).close()
  inSqlite(full, "insert into account_changes (user_id) values ('x')")
  await refused([from, full], /is not empty: it has 1 rows in account_changes, .* Move to a new database/)
  const wider = await emptyFile(t)
  inSqlite(wider, 'alter table rate_limits add column extra text')
  await refused([from, wider], /The table rate_limits has other columns in /)
  const older = source(t)
  inSqlite(older, "delete from kysely_migration where name like '0018%'")
  await refused(
    [older, inFile(t)],
    /lacks the migration "0018-create-account-log": run `npx library db migrate latest`/
  )
  await refused([from, older], /is not empty/)
  const newer = source(t)
  inSqlite(newer, "insert into kysely_migration values ('9999-later', '')")
  await refused(
    [newer, inFile(t)],
    /"9999-later", which this version does not know: move it with the newer version/
  )
  await refused([from, newer], /"9999-later", which this version does not know: move with the newer version/)
  const wordless = inFile(t)
  await moveHere(from, wordless)
  inSqlite(wordless, "insert into author_words (author_words) values ('delete-all')")
  await refused([from, wordless], /is not empty/)
  const odd = inFile(t)
  writeFileSync(`${odd}.keys.json`, '{}', { mode: 0o600 })
  await refused([from, odd], /has other signing keys than .*, or cannot be read: move that file away/)
  t.same(inSqlite(odd, 'select count(*) from users'), [[0]], 'nothing is copied before')
  const other = inFile(t)
  writeFileSync(`${other}.keys.json`, readFileSync(`${await withOtherKeys(t)}.keys.json`), { mode: 0o600 })
  await refused([from, other], /has other signing keys than .* move that file away/)
  const keyless = source(t)
  writeFileSync(`${keyless}.keys.json`, '{}')
  await refused([keyless, inFile(t)], /does not hold signing keys|is open to others/)
})

/** With tables, and without keys. */
async function emptyFile(t: Test): Promise<string> {
  const file = await withOtherKeys(t)
  rmSync(`${file}.keys.json`)
  return file
}

async function withOtherKeys(t: Test): Promise<string> {
  const file = inFile(t)
  await (await buildApp(t, { DATABASE_URL: file })).close()
  return file
}

t.test('what must not be moved to a server is refused in a sentence', async (t) => {
  const from = source(t)
  const to = await onServer(t)
  const refused = async (to: string, message: RegExp) =>
    t.rejects(moveHere(from, to), { message }, String(message))
  await t.rejects(moveHere(to, inFile(t)), { message: /lacks the migration "0001-create-users"/ })
  const { username, hostname, port } = new URL(to)
  await refused(
    `postgres://${username}@${hostname}:${port}/no_such_database`,
    /Make it with createdb, or correct TO/
  )
  await refused(`postgres://${username}@127.0.0.1:1/library`, /cannot be reached/)
  await asAdmin('create role move_test_reader login')
  t.teardown(() => asAdmin('drop role move_test_reader'))
  const weak = new URL(to)
  weak.username = 'move_test_reader'
  await refused(weak.href, /permission denied for schema public/)
  const latin = new URL(to)
  latin.pathname = `${latin.pathname}_latin`
  await asAdmin(`create database ${latin.pathname.slice(1)} template template0 encoding 'LATIN1' locale 'C'`)
  t.teardown(() => asAdmin(`drop database ${latin.pathname.slice(1)} with (force)`))
  await refused(
    latin.href,
    /has the encoding LATIN1, which cannot hold every name\. .*createdb --encoding=UTF8/
  )
  const strange = await onServer(t)
  await rowsOf(strange, 'create table users (name text)')
  await refused(
    strange,
    /has tables of another application in the schema public \(users\); it was left untouched/
  )
  await moveHere(from, to)
  await t.rejects(moveHere(to, to), { message: /is what is to be moved: name another database/ })
  await rowsOf(to, 'delete from rate_limits')
  await refused(to, /is not empty: it has \d+ rows in users/)
  const half = await onServer(t)
  await t.rejects(moveHere(from, half, { until: 9 }), { message: 'enough' })
  await rowsOf(half, "insert into kysely_migration values ('9999-later', '')")
  await refused(half, /"9999-later", which this version does not know: a newer one has begun the move/)
  await rowsOf(half, "delete from kysely_migration where name = '9999-later'")
  const stranger = source(t)
  inSqlite(stranger, 'delete from rate_limits')
  await t.rejects(moveHere(stranger, half), { message: /is half moved from .*: move it from there again/ })
})

t.test('what a running service has is refused', async (t) => {
  const running = await startServer(t)
  const file = path.join(running.folder, 'library.db')
  const pid = new RegExp(`is in use by the service with the process id ${running.child.pid}: end that first`)
  await t.rejects(moveHere(file, inFile(t)), { message: pid })
  await t.rejects(moveHere(source(t), file), { message: pid })
  const url = await onServer(t)
  const service = await buildApp(t, { DATABASE_URL: url })
  await service.inject('/health/ready')
  const inUse = {
    message: /is in use \(connections named .*library-api .*\): end the service with all its instances/
  }
  await t.rejects(moveHere(source(t), url), inUse)
  await t.rejects(moveHere(url, inFile(t)), inUse)
  await service.close()
  await moveHere(url, inFile(t))
})

t.test('a service that began while the move did is refused, and not marked', async (t) => {
  const to = await onServer(t)
  const from = await openMoveSource(source(t))
  const target = await openMoveTarget(to, { except: from.identity })
  let service: FastifyInstance | undefined
  const none = async () => {}
  const companion = {
    async check() {
      service = await buildApp(t, { DATABASE_URL: to })
    },
    move: none,
    confirm: none
  }
  await t.rejects(move({ source: from, target, companion, tell: () => {} }), { message: /is in use/ })
  await target.close()
  await from.close()
  t.same(await rowsOf(to, 'select from users'), [])
  t.same(await rowsOf(to, "select from pg_tables where tablename = 'move_progress'"), [])
  await service?.close()
})

t.test('what is wrong with the source is found before a service begins on the target', async (t) => {
  const cases: [string, RegExp][] = [
    [
      'delete from changes where author_number = 1 and version = 7',
      /does not lead to its authors: version 8 of the author .* does not follow/
    ],
    ["update changes set at = '2020-01-01T00:00:00.000Z' where sequence = 3", /is not what .* says/],
    ['update authors set version = version + 1 where number = 5', /is not what the author says/],
    [
      "update changes set operation = 'patched' where version = 1 and author_number = 4",
      /is created once, and at first/
    ],
    [
      "update changes set operation = 'restored' where version = 2 and author_number = 1",
      /is restored after it was deleted/
    ],
    ['update changes set before = null where version = 2 and author_number = 1', /was there before/],
    ['delete from authors where number = 5', /is not there, and was not deleted/],
    [
      'delete from changes where author_number = (select max(number) from authors)',
      /the author with the number \d+ is not in the log/
    ]
  ]
  for (const [damage, message] of cases) {
    const [from, to] = [source(t), inFile(t)]
    inSqlite(from, damage)
    await t.rejects(moveHere(from, to, { mostRows: 2000 }), { message }, damage)
    t.same(inSqlite(to, 'select count(*) from move_progress'), [[1]], 'no service takes it')
  }
})

t.test('what the target does not keep as it was written is found', async (t) => {
  const cases: [string, RegExp][] = [
    [
      'create trigger odd after insert on rate_limits begin delete from rate_limits where key = new.key; end',
      /rate_limits has \d+ rows in .*, and 0 in/
    ],
    [
      "create trigger odd after insert on api_keys begin update api_keys set name = 'x'; end",
      /the row of api_keys with id .* differs in name/
    ],
    [
      "create trigger odd after insert on authors begin insert into author_words (author_words) values ('delete-all'); end",
      /the word index of .* has \d+ entries, and not those/
    ]
  ]
  for (const [trigger, message] of cases) {
    const to = inFile(t)
    await (await buildApp(t, { DATABASE_URL: to })).close()
    rmSync(`${to}.keys.json`)
    inSqlite(to, trigger)
    await t.rejects(moveHere(source(t), to), { message }, trigger)
  }
})

t.test('what the target cannot hold is told with where it is', async (t) => {
  const [from, to] = [source(t), await onServer(t)]
  inSqlite(from, "update sessions set user_agent = 'a' || char(0) where ended_at is not null")
  const message =
    /does not take the rows of sessions with id from \S+ to \S+ \(.*\)\. No row is left out: mend them in FROM/
  await t.rejects(moveHere(from, to), { message })
})

t.test('each table is moved, or is none that has rows of ours', async (t) => {
  const [file, url] = [filled, await onServer(t)]
  await moveHere(source(t), url)
  const own =
    /^(kysely_migration|kysely_migration_lock|sqlite_sequence|signing_keys|author_words.*|author_terms)$/
  const moved = MOVED_TABLES.map(({ name }) => name).sort()
  const inFile = inSqlite(file, "select name from sqlite_schema where type = 'table'") as string[][]
  const onIt = await rowsOf<{ name: string }>(
    url,
    "select tablename as name from pg_tables where schemaname = 'public'"
  )
  for (const names of [inFile.flat(), onIt.map(({ name }) => name)])
    t.same(names.filter((name) => !own.test(name)).sort(), moved)
})

t.test('two moves to one database do not meet', async (t) => {
  const to = await onServer(t)
  const client = await clientOf(t, to)
  let isDone = false
  const tell = (event: MoveEvent) => {
    if (event.event !== 'copying' || isDone) return
    isDone = true
    // As another process would, that no connection tells of.
    client.query("update move_progress set position = '{}'").catch(() => {})
  }
  const configs = { from: configFor(source(t)), to: configFor(to) }
  await t.rejects(moveAll(configs, { tell, mostRows: 5 }), {
    message: /Another process moves to the same database/
  })
})

t.test('a lost connection is told, and what to do then', async (t) => {
  const to = await onServer(t)
  const from = source(t)
  let isDone = false
  const tell = (event: MoveEvent) => {
    if (event.event !== 'copying' || isDone) return
    isDone = true
    const others = 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1'
    asAdmin(others, [new URL(to).pathname.slice(1)]).catch(() => {})
  }
  const configs = { from: configFor(from), to: configFor(to) }
  await t.rejects(moveAll(configs, { tell, mostRows: 1 }), {
    message: /Then run the same command again, which goes on where it was\.$/
  })
  t.match((await moveHere(from, to)).events[0], { event: 'resumed' })
})

t.test('the command tells how far it is in lines, and what was moved', async (t) => {
  const [from, to] = [source(t), await onServer(t)]
  const done = await runMove([from, to])
  t.match(done, { code: 0, stderr: '' })
  t.match(done.stdout, /^copying: [\d,]+ of [\d,]+ rows$/m)
  t.match(done.stdout, /^authors +\d+ rows {2}sha256 [0-9a-f]{16}…$/m)
  t.match(done.stdout, /All is moved: [\d,]+ rows in \d+ s, [\d,]+ a second\. FROM was left as it is\./)
  t.match(await runMove([from, to]), {
    code: 0,
    stdout: /an earlier run had moved all, and nothing was left to do/
  })
  t.match(await runMove([]), {
    code: 2,
    stderr: /^FROM and TO must be named\.\nusage: npx library move FROM TO/
  })
  t.match(await runMove([from, 'mysql://x/y']), { code: 1, stderr: /^TO is "mysql:\/\/x\/y", but must be / })
  t.match(await runMove(['postgres://u:geheim@/', from]), {
    code: 1,
    stderr: /^FROM is "postgres:\/\/u:\*\*\*@\/"/
  })
})

t.test('who ends the command is heard, also between files', async (t) => {
  const [from, to] = [source(t), inFile(t)]
  const child = spawn(process.execPath, ['bin/library.js', 'move', from, to], QUIET)
  child.stdout.once('data', () => child.kill('SIGINT'))
  let told = ''
  child.stderr.on('data', (data) => {
    told += data
  })
  t.strictSame([...(await once(child, 'close')), told], [130, null, 'Interrupted.\n'])
  t.match((await moveHere(from, to)).events[0], { event: 'resumed' })
})

t.test('killed again and again, it comes to the same, and each half is refused', async (t) => {
  const faults = await movetest({
    kills: 2,
    authors: 100,
    folder: temporaryFolder(t),
    newDatabase: () => onServer(t),
    log: (line) => t.comment(line)
  })
  t.same(faults, [])
})

t.test('a killed move that loses something would be noticed', async (t) => {
  const inIt = (statement: string) => async (url: string) =>
    isServer(url) ? rowsOf(url, statement) : inSqlite(url, statement)
  const faults = await movetest({
    kills: 1,
    authors: 20,
    folder: temporaryFolder(t),
    newDatabase: () => onServer(t),
    log: () => {},
    disturb: inIt("update users set password_hash = 'lost'"),
    damage: inIt('delete from rate_limits')
  })
  for (const name of ['to a server', 'back'])
    t.ok(faults.includes(`${name}: rate_limits differs`), `${name}: ${faults}`)
  t.ok(
    faults.some((fault) => fault.endsWith('begun again')),
    'what is not where it was'
  )
})

t.test('what the target cannot do is told of the target', async (t) => {
  const [from, to] = [source(t), inFile(t)]
  const fullDisk = "unset NODE_OPTIONS NODE_V8_COVERAGE NODE_COMPILE_CACHE; trap '' XFSZ; ulimit -f 100"
  const command = `${fullDisk}; exec ${process.execPath} bin/library.js move ${from} ${to}`
  const child = spawn('bash', [...WITHOUT_PROFILE, command], QUIET)
  let told = ''
  child.stderr.on('data', (data) => {
    told += data
  })
  t.equal((await once(child, 'close'))[0], 1)
  t.match(told, new RegExp(`^${to} cannot be used \\(.+ Then run the same command again.+\\.\n$`))
  const full = new Sqlite(inFile(t))
  full.pragma('max_page_count = 1')
  const side = new SideConnection(full, 'full.db')
  t.throws(() => side.run(CompiledQuery.raw('create table rows (text)')), {
    message: /^full\.db cannot be used/
  })
  full.close()
})

function inSqlite(file: string, statement: string): unknown[] {
  const database = new Sqlite(file, { timeout: 0 })
  try {
    const prepared = database.prepare(statement)
    return prepared.reader ? prepared.raw().all() : [prepared.run()]
  } finally {
    database.close()
  }
}

async function clientOf(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}

async function rowsOf<Row>(url: string, statement: string): Promise<Row[]> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query(statement)
  await client.end()
  return rows
}

t.test('a file that another process writes to is not moved, and is free again after a refusal', async (t) => {
  const from = source(t)
  const other = new Sqlite(from)
  other.exec('begin immediate')
  await t.rejects(moveHere(from, inFile(t)), { name: 'DatabaseRefused', message: /library\.db/ })
  other.close()
  const file = inFile(t)
  t.throws(
    () => {
      holding(file, () => {
        throw new Error('no')
      })
    },
    { message: 'no' }
  )
  t.equal(
    holding(file, () => 1),
    1
  )
})

t.test('a lock file that is none is told', async (t) => {
  const file = inFile(t)
  writeFileSync(file, 'no database, and longer than the header of one is, '.repeat(20))
  t.throws(() => tryLock(file), { code: 'SQLITE_NOTADB' })
})
