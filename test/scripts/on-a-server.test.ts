/** The operator's commands on a database of a server. */
import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Kysely, sql } from 'kysely'
import t, { type Test } from 'tap'
import { DatabaseUnavailable, upkeepOf } from '../../db/dialect.ts'
import type { Tables } from '../../db/tables.ts'
import { explain } from '../../process/explain.ts'
import { AgedCatalogue } from '../../scripts/growth/aged-catalogue.ts'
import { keys } from '../../scripts/keys/commands.ts'
import { asAdmin, ENGINES, newDatabase, newEmptyDatabase } from '../engines.ts'
import { AUTHOR, buildApp, openDirectly, ROOT, signIn, startServer, temporaryFolder } from '../helpers.ts'
import { COVERED } from '../lean-children.ts'

const onServer = {
  skip: !ENGINES.includes('postgres') && 'only on a server',
  context: { engine: 'postgres' }
}

/** Runs `npx library` with these words. */
function library(variables: Record<string, string>, ...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: ROOT, env: { ...process.env, LOG_LEVEL: 'warn', ...variables } }
    execFile(process.execPath, ['bin/library.js', ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code as number), stdout, stderr })
    )
  })
}

/** A role of the test's own, which may do nothing in this database yet. */
async function newRole(t: Test, password: string, databaseUrl: string): Promise<string> {
  const name = `library_test_${randomBytes(6).toString('hex')}`
  await asAdmin(`create role ${name} login password '${password.replace("'", "''")}'`)
  t.teardown(async () => {
    await asAdmin(`drop database if exists ${nameOf(databaseUrl)} with (force)`)
    await asAdmin(`drop role ${name}`)
  })
  return name
}

const nameOf = (databaseUrl: string) => new URL(databaseUrl).pathname.slice(1)

function urlFor(databaseUrl: string, username: string, password: string): string {
  const url = new URL(databaseUrl)
  return `postgres://${username}:${encodeURIComponent(password)}@${url.host}${url.pathname}`
}

t.test('migrations, on an empty database too, and there is nothing to undo', onServer, async (t) => {
  const DATABASE_URL = await newEmptyDatabase(t)
  const pending = await library({ DATABASE_URL }, 'db', 'migrate', 'status')
  t.match(pending, { code: 0, stderr: '', stdout: /^0001-create-users {2}pending\n/ })
  t.match(await library({ DATABASE_URL }, 'db', 'check'), {
    code: 1,
    stderr:
      /^The database lacks the migration "0001-create-users": run `npx library db migrate latest` first\.\n$/
  })
  const latest = await library({ DATABASE_URL }, 'db', 'migrate', 'latest')
  t.match(latest, {
    code: 0,
    stderr: '',
    stdout:
      /^up {2}0001-create-users\n[\s\S]+up {2}0016-refold\nup {2}0017-administration\nup {2}0018-create-account-log\n/
  })
  t.match(await library({ DATABASE_URL }, 'db', 'migrate', 'latest'), { code: 0, stdout: 'nothing to do\n' })
  t.match(await library({ DATABASE_URL }, 'db', 'migrate', 'status'), {
    code: 0,
    stdout: /0016-refold {2}\d{4}-/
  })
  // Those that come later can be undone.
  for (const name of ['0018-create-account-log', '0017-administration'])
    t.match(await library({ DATABASE_URL }, 'db', 'migrate', 'down'), { code: 0, stdout: `down  ${name}\n` })
  t.match(await library({ DATABASE_URL }, 'db', 'migrate', 'down'), {
    code: 1,
    stderr: /^With 0016-refold databases on PostgreSQL begin, so there is nothing to undo: .+\.\n$/
  })
})

t.test(
  'keys, accounts and files, beside a service with a password of odd characters',
  onServer,
  async (t) => {
    const password = 'p@s:s/%?#&= \'"'
    const DATABASE_URL = await newEmptyDatabase(t)
    const role = await newRole(t, password, DATABASE_URL)
    const database = nameOf(DATABASE_URL)
    await asAdmin(`alter database ${database} owner to ${role}`)
    const variables = {
      DATABASE_URL: urlFor(DATABASE_URL, role, password),
      KEYS_SECRET: randomBytes(32).toString('base64')
    }
    const created = await library(variables, 'user', 'create', 'salman')
    t.match(created, { code: 0, stderr: '', stdout: /^Created salman\. Within 60 minutes/ })
    t.match((await keys(['list'], variables)).join('\n'), /^[\w-]{43} {2}active .+$/)

    const settings = { ...variables, WORKERS: '2', LOG_LEVEL: 'trace' }
    const { url, output, child, exited } = await startServer(t, settings)
    const place = `postgres://${role}@${new URL(DATABASE_URL).host}/${database}`
    t.match(output(), new RegExp(`^data +${place} \\(0 authors, 1 user\\)$`, 'm'))
    t.match(await library(variables, 'seed', '--url', url), { code: 0, stdout: /60 authors created/ })
    t.match(await library(variables, 'user', 'list'), { code: 0, stdout: /^salman {2}editor$/m })
    t.match(await library(variables, 'user', 'promote', 'salman'), {
      code: 0,
      stdout: 'salman is an admin now.\n'
    })
    t.match(await library(variables, 'user', 'promote', 'nobody'), {
      code: 1,
      stderr: 'There is no user nobody.\n'
    })
    const rotated = await library(variables, 'keys', 'rotate', '--announce', '0')
    const kid = rotated.stdout.split('\n')[1]?.split(' ')[0] as string
    while (!(await (await fetch(`${url}/.well-known/jwks.json`)).text()).includes(kid));
    await t.rejects(keys(['create'], variables), {
      name: 'KeysRefused',
      message: /has signing keys already: use `npx library keys rotate`/
    })
    t.strictSame(await keys(['decrypt'], variables), ['2 keys were decrypted'])
    t.equal((await keys(['list'], { ...variables, KEYS_SECRET: '' })).length, 2)
    t.match(await library(variables, 'keys', 'encrypt'), { code: 0, stdout: '2 keys were encrypted\n' })
    t.strictSame(await keys(['encrypt'], variables), ['nothing to do'])
    const checked = await library(variables, 'db', 'check')
    t.match(checked, {
      code: 0,
      stderr: '',
      stdout: /^60 authors, .+\n.+permission denied.+a superuser.+\n.+ is sound\n$/
    })
    child.kill('SIGHUP')
    while (!output().includes('"event":"roll_ended"')) await once(child.stdout, 'data')
    const readiness = await fetch(`${url}/health/ready`, { headers: { connection: 'close' } })
    t.equal(readiness.status, 200, 'its workers were replaced')
    child.kill('SIGTERM')
    t.equal(await exited, 0)
    for (const text of [output(), checked.stdout, rotated.stdout]) {
      for (const secret of [password, encodeURIComponent(password), variables.KEYS_SECRET])
        t.notOk(text.includes(secret))
    }
  }
)

t.test('a server or a database that cannot be used is told in one sentence', onServer, async (t) => {
  const DATABASE_URL = await newEmptyDatabase(t)
  const role = await newRole(t, 'a password', DATABASE_URL)
  const nowhere = DATABASE_URL.replace(/:\d+\//, ':1/')
  const missing = new URL(DATABASE_URL)
  missing.pathname = '/nowhere'
  const cases: [string, RegExp][] = [
    [
      nowhere,
      /^PostgreSQL at 127\.0\.0\.1:1 cannot be reached \(connect ECONNREFUSED .+\)\. See that it runs there, .+\.\n$/
    ],
    [
      missing.href,
      /^The database nowhere at \S+ cannot be used by library \(.+ does not exist\)\. Make it with createdb, .+\n$/
    ],
    [
      urlFor(DATABASE_URL, role, 'a password'),
      /cannot be used by \w+ \(permission denied for schema public\)\. Give this user the right/
    ],
    [
      `${DATABASE_URL}?sslmode=verify-full`,
      /\(The server does not support SSL connections\)\. See to its certificate, or correct sslmode/
    ]
  ]
  for (const [url, stderr] of cases) {
    t.match(
      await library({ DATABASE_URL: url }, 'db', 'migrate', 'latest'),
      { code: 1, stdout: '', stderr },
      url
    )
  }
  t.match(await library({ DATABASE_URL: nowhere }, 'db', 'check'), { code: 1, stderr: /^PostgreSQL at / })
  t.match(await library({ DATABASE_URL: nowhere }, 'keys', 'list'), { code: 1, stderr: /^PostgreSQL at / })
  t.match(await library({ DATABASE_URL: nowhere, LOG_LEVEL: 'info' }, 'start'), {
    code: 1,
    stdout: /^\{.+"event":"service_starting",.+\}\n$/,
    stderr: /^PostgreSQL at /
  })
})

t.test('what makes a database unavailable is told with what to do about it', async (t) => {
  const gone = new DatabaseUnavailable('it is gone')
  t.equal(
    explain(gone, { databaseUrl: 'postgres://me:secret@sea.example/books' }),
    'postgres://me@sea.example/books cannot be used (it is gone). See that the server runs and can be reached, then try again.'
  )
  t.match(
    explain(gone, { databaseUrl: '/srv/library.db' }),
    /^\/srv\/library\.db cannot be used \(it is gone\)\. See to its disk/
  )
  const cwd = temporaryFolder(t)
  writeFileSync(path.join(cwd, '.env'), 'DATABASE_URL=postgres://me:secret@sea.example/books\n')
  const { DATABASE_URL: _, ...env } = process.env
  const script = `import { DatabaseUnavailable } from '${ROOT}/db/dialect.ts'
    import { complain } from '${ROOT}/scripts/complain.ts'
    complain(new DatabaseUnavailable('it is gone'))`
  const args = ['--input-type=module', '--eval', script]
  const told = spawnSync(process.execPath, args, { cwd, env: { ...env, ...COVERED }, encoding: 'utf8' })
  t.match(told, { status: 1, stderr: /^postgres:\/\/me@sea\.example\/books cannot be used \(it is gone\)\./ })
})

t.test('a check finds what is damaged, and nothing where nothing is', onServer, async (t) => {
  const damages: Record<string, [(db: Kysely<Tables>) => Promise<unknown>, RegExp]> = {
    'a column': [
      (db) => db.updateTable('authors').set({ name_key: 'x' }).execute(),
      /author .{36}: its name_key is not that of its record/
    ],
    'a key': [
      (db) => db.updateTable('authors').set({ book_key: sql`book_key || number` }).execute(),
      /its book_key is not/
    ],
    'an owner': [
      (db) => db.updateTable('authors').set({ owner_number: null }).execute(),
      /its owner_number is not that/
    ],
    words: [
      (db) => sql`update author_words set words = 'x'`.execute(db),
      /its words are not those that it is found by/
    ],
    'no words': [(db) => sql`delete from author_words`.execute(db), /it cannot be found by its words/],
    'words of nobody': [
      (db) => sql`insert into author_words values (77, 'x')`.execute(db),
      /words of an author \(number 77\) who is not there/
    ],
    'an author who is gone': [
      (db) => db.deleteFrom('authors').where('number', '=', 1).execute(),
      /author \(number 1\): the author is gone though/
    ],
    'a change that is gone': [
      (db) => db.deleteFrom('changes').where('version', '=', 1).execute(),
      /a change is missing between others/
    ],
    'a change that has lost what it replaced': [
      (db) =>
        db
          .updateTable('changes')
          .set({ before: null })
          .where('version', '=', 2)
          .where('operation', '=', 'patched')
          .execute(),
      /does not say what it replaced/
    ],
    'the beginning of a history, with what it was': [
      (db) => sql`delete from changes where version = 5`.execute(db),
      /a change is missing between others/
    ],
    'what was purged, in part': [
      (db) =>
        sql`update changes set before = '{"id":"x","name":"x","version":5,"updated_at":"x"}' where version = 5`.execute(
          db
        ),
      /a change is missing between others/
    ],
    'the last change': [
      (db) => db.updateTable('changes').set({ at: 'x' }).where('version', '=', 2).execute(),
      /not what its last change has made of it/
    ],
    'the operation': [
      (db) => db.updateTable('changes').set({ operation: 'replaced' }).where('version', '=', 1).execute(),
      /does not follow from the one before/
    ],
    'the actor': [
      (db) => db.updateTable('changes').set({ actor_number: 99 }).execute(),
      /was made by nobody/
    ],
    'the number': [
      (db) => sql`update changes set sequence = sequence + 1000`.execute(db),
      /not numbered by its creation/
    ],
    'a page': [
      async (db) => {
        await sql`create function broken(tsvector) returns tsvector language plpgsql as $$ begin
          raise exception 'invalid page in block 7' using errcode = 'XX001'; end $$`.execute(db)
        await sql`alter table author_words rename to author_words_on_disk`.execute(db)
        await sql`create view author_words as select number, broken(words) as words from author_words_on_disk`.execute(
          db
        )
      },
      /^not all can be read: invalid page in block 7$/m
    ],
    'an index': [
      async (db) => {
        await sql`create function key_of(text) returns text immutable language sql as 'select $1'`.execute(db)
        await sql`create index odd on authors (key_of(slug))`.execute(db)
        await sql`create or replace function key_of(text) returns text immutable language sql as 'select reverse($1)'`.execute(
          db
        )
      },
      /^odd: heap tuple .+ lacks matching index tuple/m
    ],
    'a reference': [
      (db) =>
        sql`do $$ begin set local session_replication_role = replica; update sessions set user_number = 99; end $$`.execute(
          db
        ),
      /^2 of sessions refer by user_number to rows of users that are not there$/m
    ]
  }
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(server)
  for (let number = 1; number <= 22; number++) {
    const payload = { ...AUTHOR, book: `Book ${number}` }
    await server.inject({ method: 'POST', url: '/authors', headers, payload })
  }
  const patch = {
    method: 'PATCH',
    url: '/authors/salman-rushdie',
    headers,
    payload: { note: 'a note' }
  } as const
  t.equal((await server.inject(patch)).statusCode, 200)
  await server.inject({ method: 'DELETE', url: '/authors/salman-rushdie-22', headers })
  await letGo(DATABASE_URL)
  t.match(await library({ DATABASE_URL }, 'db', 'check'), {
    code: 0,
    stderr: '',
    stdout:
      /^22 authors, .+ and 29 changes were compared\ntables and indexes were compared by amcheck\n.+ is sound\n$/
  })
  await server.close()
  for (const [what, [damage, expected]] of Object.entries(damages)) {
    const { url, db } = await copyOf(t, DATABASE_URL)
    await damage(db)
    t.match((await (await upkeepOf(url)).check()).faults.join('\n'), expected, what)
  }
  const { url, db } = await copyOf(t, DATABASE_URL)
  await damages['a column']?.[0](db)
  const told = await library({ DATABASE_URL: url }, 'db', 'check')
  t.match(told, {
    code: 1,
    stderr: /and 2 more like these\n.+ is damaged\. Restore it from a backup, or have it looked at/
  })
})

t.test('a check that loses its connection does not say that all is sound', onServer, async (t) => {
  const { url, db } = await copyOf(t, await newDatabase(t))
  await sql`create function key_of(text) returns text immutable language sql as 'select $1'`.execute(db)
  await sql`insert into former_users values (1, 'x')`.execute(db)
  await sql`create index odd on former_users (key_of(id))`.execute(db)
  await sql`create or replace function key_of(text) returns text immutable language plpgsql as $$ begin
    perform pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()); return $1; end $$`.execute(db)
  await t.rejects((await upkeepOf(url)).check(), { name: 'DatabaseRefused', message: /cannot be reached/ })
})

/** Authors whose past was purged: some of it, what one was before it was deleted, and all. */
async function letGo(databaseUrl: string): Promise<void> {
  const aged = await AgedCatalogue.open(databaseUrl, 100)
  const [trimmed, deleted, erased] = [
    await aged.create({ name: 'Trimmed' }),
    await aged.create({ name: 'Deleted' }),
    await aged.create({ name: 'Erased' })
  ]
  for (const day of [1, 2, 3, 4, 90, 91]) {
    aged.day = day
    await aged.edit(trimmed.id, `day ${day}`)
    if (day === 4) await aged.delete(deleted.id)
  }
  aged.day = 200
  await aged.trim('115d')
  await aged.erase(erased.id)
  await aged.close()
}

/** A database with the same rows, and a connection to it. */
async function copyOf(t: Test, databaseUrl: string) {
  const url = await newEmptyDatabase(t)
  await asAdmin(`drop database ${nameOf(url)}`)
  await asAdmin(`create database ${nameOf(url)} template ${nameOf(databaseUrl)}`)
  return { url, db: openDirectly(t, url) }
}
