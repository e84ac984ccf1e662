import t from 'tap'
import { retrytest } from '../../scripts/retrytest.ts'
import { ENGINES, engineOf, newDatabase, test } from '../engines.ts'
import { buildApp, signIn } from '../helpers.ts'

/** On a server the retries are what matters; that it keeps what it has is its own affair. */
const TIMES = { sqlite: { posts: 1000, kills: 10 }, postgres: { posts: 100, kills: 1 } }

test('retried POSTs across kills make one author each', async (t) => {
  const { posts, kills } = TIMES[engineOf(t)]
  const lines: string[] = []
  const place = { databaseUrl: await newDatabase(t) }
  const log = (line: string) => lines.push(line)
  const { authors, requests, faults } = await retrytest({ posts, kills, place, log })
  t.comment(lines.join('\n'))
  t.strictSame({ authors, faults }, { authors: posts, faults: [] })
  t.ok(requests > 2 * posts, 'some were sent again')
})

t.test('without keys a retry would be noticed', async (t) => {
  const place = { databaseUrl: await newDatabase(t) }
  const { faults } = await retrytest({ posts: 20, kills: 0, place, log: () => {}, withoutKeys: true })
  t.equal(faults.length, 20)
})

const onServer = { skip: !ENGINES.includes('postgres'), context: { engine: 'postgres' } }

t.test('a database that somebody uses is left as it is', onServer, async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const place = { databaseUrl: server.config.DATABASE_URL }
  const run = retrytest({ posts: 1, kills: 0, place, log: () => {} })
  await t.rejects(run, { message: / is in use: name a database that is new, / })
})
