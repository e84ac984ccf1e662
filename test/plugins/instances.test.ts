/** Long work of several instances over one database. */
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import type { Test } from 'tap'
import type { AuthorContent } from '../../db/authors/table.ts'
import { asAdmin, engineOf, test } from '../engines.ts'
import { AUTHOR, buildApp, directly, listen, numberOf, signIn, startServer } from '../helpers.ts'

const NDJSON = 'application/x-ndjson'

const ndjson = (contents: AuthorContent[]) =>
  contents.map((content) => `${JSON.stringify(content)}\n`).join('')

const authors = (count: number, name: string) =>
  Array.from({ length: count }, (_, i) => ({ ...AUTHOR, name: `${name} ${i}`, book: `Book ${i}` }))

/** Three of them. */
async function openInstances(t: Test) {
  const first = await buildApp(t)
  const { DATABASE_URL } = first.config
  const others = [await buildApp(t, { DATABASE_URL }), await buildApp(t, { DATABASE_URL })]
  return [first, ...others] as [FastifyInstance, FastifyInstance, FastifyInstance]
}

async function importAll(server: FastifyInstance, headers: Record<string, string>, rows: AuthorContent[]) {
  const answer = await server.inject({
    method: 'POST',
    url: '/authors/import',
    headers: { ...headers, 'content-type': NDJSON },
    payload: ndjson(rows)
  })
  return answer.json()
}

const AUTHORS = 1050

test('three that finish a deletion and purge at once do each slice once', async (t) => {
  const instances = await openInstances(t)
  const [first, second, third] = instances
  const db = directly(t, first)
  const gone = await signIn(first, 'gone')
  const stays = await signIn(second, 'stays')
  await importAll(first, gone.headers, authors(AUTHORS, 'Left'))
  const number = await numberOf(db, gone.id)
  const old = new Date(Date.now() - 40 * 86_400_000).toISOString()
  for (const userId of [gone.id, stays.id]) {
    const owner = await numberOf(db, userId)
    for (let i = 0; i < 450; i++) {
      const times = { created_at: old, last_used_at: old, idle_expires_at: old, expires_at: old }
      const secrets = { family_hash: 'x', refresh_hash: 'x' }
      const session = { id: `${userId} ${i}`, user_number: owner, ...times, ...secrets }
      await db.insertInto('sessions').values(session).execute()
    }
  }
  const deleted = await first.inject({
    method: 'DELETE',
    url: '/me',
    headers: { ...gone.headers, 'content-type': 'application/json' },
    payload: { password: 'the moors last sigh' }
  })
  t.equal(deleted.statusCode, 204, deleted.body)
  let isDone = false
  const chores = Promise.all(
    instances.flatMap(({ housekeeping }) => [housekeeping.run(), housekeeping.finishDeletion(gone.id)])
  ).finally(() => {
    isDone = true
  })
  let written = 0
  while (!isDone) {
    const payload = { ...AUTHOR, book: `Meanwhile ${written}` }
    const { headers } = stays
    const { statusCode } = await third.inject({ method: 'POST', url: '/authors', headers, payload })
    if (statusCode !== 201) t.equal(statusCode, 201)
    written += 1
  }
  await chores
  t.ok(written > 0)

  const changes = await db.selectFrom('changes').selectAll().orderBy('sequence').execute()
  t.strictSame(
    changes.map(({ sequence }) => sequence),
    changes.map((_, index) => index + 1),
    'the log has no gap'
  )
  const disowned = changes.filter(({ operation }) => operation === 'disowned')
  t.equal(new Set(disowned.map(({ author_number }) => author_number)).size, AUTHORS)
  t.equal(disowned.length, AUTHORS)
  t.ok(disowned.every(({ actor_number, version }) => actor_number === number && version === 2))
  const rows = await db.selectFrom('authors').select(['owner_number', 'version', 'record']).execute()
  t.equal(rows.length, AUTHORS + written)
  for (const { owner_number, version, record } of rows) {
    const { owner_id, version: shown } = JSON.parse(record)
    if (shown !== version || (owner_number === null) !== (owner_id === null)) t.fail(record)
  }
  t.equal(rows.filter(({ owner_number }) => owner_number === null).length, AUTHORS)
  t.strictSame(await db.selectFrom('account_deletions').selectAll().execute(), [])
  t.strictSame(
    (await db.selectFrom('sessions').select('user_number').execute()).map((one) => one.user_number),
    [await numberOf(db, stays.id)]
  )
})

test('an export has all authors in the order of creation, though others write meanwhile', async (t) => {
  const [first, second, third] = await openInstances(t)
  const { headers } = await signIn(first)
  await importAll(first, headers, authors(900, 'Before'))
  const create = async (server: FastifyInstance, name: string) => {
    const payload = { ...AUTHOR, name }
    const { statusCode } = await server.inject({ method: 'POST', url: '/authors', headers, payload })
    t.equal(statusCode, 201)
  }
  const lines: string[] = []
  let pieces = 0
  for await (const { rows, text } of first.transfers.exportAuthors(NDJSON)) {
    lines.push(...text.trimEnd().split('\n'))
    pieces += 1
    t.ok(rows <= 250 && text.length <= 64 * 1024, 'a piece is small')
    // One before the place of the export, one behind it.
    const slug = `before-${lines.length < 500 ? 899 - pieces : pieces}`
    const { statusCode } = await second.inject({ method: 'DELETE', url: `/authors/${slug}`, headers })
    t.equal(statusCode, 204)
    if (pieces < 5) await create(third, `Meanwhile ${pieces}`)
    if (pieces === 3) t.match(await importAll(second, headers, authors(300, 'Behind')), { created: 300 })
  }
  const names = lines.map((line) => JSON.parse(line).name as string)
  const all = await directly(t, first)
    .selectFrom('changes')
    .innerJoin('authors', 'authors.number', 'changes.author_number')
    .select('record')
    .where('operation', '=', 'created')
    .orderBy('sequence')
    .execute()
  const nowThere = all.map(({ record }) => JSON.parse(record).name as string)
  t.ok(pieces > 5)
  t.strictSame(
    names.filter((name) => nowThere.includes(name)),
    nowThere
  )
  t.equal(new Set(names).size, names.length)
})

const isServed = (t: Test) => engineOf(t) === 'postgres'

test('an import goes on when another instance is killed or starts, and when its connection is cut', async (t) => {
  if (!isServed(t)) return t.pass('a file is had by one instance')
  const { server, url } = await listen(t)
  const { DATABASE_URL } = server.config
  const other = await startServer(t, { DATABASE_URL })
  const { headers } = await signIn(server)
  const importing = fetch(`${url}/authors/import`, {
    method: 'POST',
    headers: { ...headers, 'content-type': NDJSON },
    body: ndjson(authors(10_000, 'Filler'))
  })
  let isDone = false
  importing.finally(() => {
    isDone = true
  })
  other.child.kill('SIGKILL')
  const db = directly(t, server)
  const cut = new Set<string>()
  for (const phase of ['insert into "pg_temp"."authors"', 'insert into "authors"']) {
    while (!cut.has(phase) && !isDone) {
      const { rowCount } = await asAdmin(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = $1 and starts_with(query, $2) and state <> 'idle'`,
        [new URL(DATABASE_URL).pathname.slice(1), phase]
      )
      if (rowCount !== 0) cut.add(phase)
    }
  }
  t.equal(cut.size, 2, 'it was cut as its rows were copied, and as they were inserted')
  await startServer(t, { DATABASE_URL })
  t.match(await (await importing).json(), { created: 10_000, unchanged: 0, refused: 0 })
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from changes group by operation`.execute(db)
  t.strictSame(rows, [{ count: 10_000 }])
})
