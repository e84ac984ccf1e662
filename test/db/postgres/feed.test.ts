import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { lastSequence, listChanges } from '../../../db/changes.ts'
import { Connection, serverOf } from '../../../db/postgres/connection.ts'
import { TAKE_WRITE_LOCK } from '../../../db/postgres/locks.ts'
import { newDatabase } from '../../engines.ts'
import { AUTHOR, buildApp, signIn } from '../../helpers.ts'

const context = { engine: 'postgres' }
const INSTANCES = 3
const WRITES = 60

/** Of the author that is the first. */
const REVISE = `with author as (
    update authors set version = version + 1 where number = (select min(number) from authors) returning number, version, record
  ) insert into changes (sequence, author_number, version, at, operation, before)
    select (select max(sequence) + 1 from changes), number, version, '2026-01-01T00:00:00.000Z', 'patched', record from author`

async function serve(t: Test) {
  const DATABASE_URL = await newDatabase(t)
  const servers: FastifyInstance[] = []
  while (servers.length < INSTANCES) servers.push(await buildApp(t, { DATABASE_URL }))
  const [first] = servers as [FastifyInstance]
  const { headers } = await signIn(first)
  const create = (instance: number, name: string) =>
    servers[instance]?.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, name } })
  return { DATABASE_URL, servers, first, create }
}

t.test(
  'the feed skips nothing and has one order on all instances, also behind a transaction that stays open',
  { context },
  async (t) => {
    const { DATABASE_URL, servers, first, create } = await serve(t)
    // Each as a client of the stream does: what is there, then wait for more.
    const followers = servers.map(async ({ db, changesFeed }) => {
      const seen: number[] = []
      while (seen.length < WRITES + 1) {
        const after = seen.at(-1) ?? 0
        const found = await listChanges(db, { limit: 7, after })
        seen.push(...found.map(({ sequence }) => sequence))
        if (found.length === 0 && !(await changesFeed.waitFor(after, 20_000))) return seen
      }
      return seen
    })

    const holder = await Connection.open(serverOf(DATABASE_URL), { name: 'test' })
    t.teardown(() => holder.close())
    const sequence = (await lastSequence(first.db)) + 1
    const writes = [create(0, 'Author before')]
    await writes[0]
    await holder.runAll(['begin', `select ${TAKE_WRITE_LOCK}`, REVISE])
    for (let i = 1; i < WRITES; i += 1) writes.push(create(i % INSTANCES, `Author ${i}`))
    await sleep(300)
    t.equal(await lastSequence(first.db), sequence, 'others come after it')
    await holder.runAll(['commit'])
    for (const response of await Promise.all(writes)) t.equal(response?.statusCode, 201)
    const expected = Array.from({ length: WRITES + 1 }, (_, i) => sequence + i)
    for (const seen of await Promise.all(followers)) t.strictSame(seen, expected)
  }
)

t.test('what another instance or a hand has written wakes up who waits', { context }, async (t) => {
  const { DATABASE_URL, servers, create } = await serve(t)
  const other = servers[1] as FastifyInstance
  const wait = async (cause: () => unknown) => {
    const after = await lastSequence(other.db)
    const woken = other.changesFeed.waitFor(after, 10_000)
    await sleep(100)
    const begun = performance.now()
    await cause()
    t.ok(await woken)
    return performance.now() - begun
  }
  await wait(() => create(0, 'Author 1'))
  const took: number[] = []
  for (let i = 2; i < 7; i += 1) took.push(await wait(() => create(0, `Author ${i}`)))
  t.ok(Math.min(...took) < 500, `by a notification: ${took.map(Math.round)}`)

  const hand = await Connection.open(serverOf(DATABASE_URL), { name: 'test' })
  t.teardown(() => hand.close())
  const terminate =
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '% listens'"
  t.ok((await wait(() => hand.runAll([REVISE]))) < 5000, 'by hand')
  t.ok((await wait(() => hand.runAll([terminate, REVISE]))) < 5000, 'without the connection that listens')
  await sleep(1500)
  await wait(() => create(2, 'Author 8'))
})
