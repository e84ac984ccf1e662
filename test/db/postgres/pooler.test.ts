import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { openDatabase } from '../../../db/database.ts'
import { newDatabase } from '../../engines.ts'
import { AUTHOR, buildApp, openDirectly, signIn } from '../../helpers.ts'
import { program } from './program.ts'
import { HAS_PGBOUNCER, startPgBouncer } from './servers.ts'
import { World } from './world.ts'

const RUNS = 25
const context = { engine: 'postgres' }
const skip = HAS_PGBOUNCER ? false : 'PgBouncer is not installed'

t.test(
  'several instances by way of PgBouncer, which gives each transaction a connection',
  { context, skip },
  async (t) => {
    const url = await newDatabase(t)
    const world = await World.open(url, await startPgBouncer(t, url))
    try {
      const property = fc.asyncProperty(program, (actors) => world.play(actors))
      const result = await fc.check(property, { numRuns: RUNS, endOnFailure: true })
      t.notOk(
        result.failed,
        `${fc.defaultReportMessage(result)} ${(result.errorInstance as Error | null)?.stack}`
      )
    } finally {
      await world.close()
    }
  }
)

t.test('the service by way of PgBouncer', { context, skip }, async (t) => {
  const url = await newDatabase(t)
  const DATABASE_URL = await startPgBouncer(t, url)
  const one = await buildApp(t, { DATABASE_URL })
  const other = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(one)
  const waiting = other.changesFeed.waitFor(0, 10_000)
  const created = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      one.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, name: `Author ${i}` } })
    )
  )
  for (const { statusCode } of created) t.equal(statusCode, 201)
  t.ok(await waiting, 'the feed wakes up without notifications')
  const found = await Promise.all(
    created.map((response) => other.inject({ url: response.headers.location as string, headers }))
  )
  t.strictSame(
    found.map((response) => response.json()),
    created.map((response) => response.json())
  )
  const search = await other.inject({ url: '/authors?q=author&limit=100', headers })
  t.equal(search.json().data.length, 20)
  await one.inject({ method: 'POST', url: '/logout', headers })
  t.equal((await other.inject({ url: '/me', headers })).statusCode, 401)
  // Each transaction has another of its connections, and none of them keeps a lock.
  await Promise.all([1, 2, 3].map(async () => (await openDatabase(DATABASE_URL)).close()))
  const locks = await sql`select pid from pg_locks where locktype = 'advisory' and database =
    (select oid from pg_database where datname = current_database())`.execute(openDirectly(t, url))
  t.strictSame(locks.rows, [])
})
