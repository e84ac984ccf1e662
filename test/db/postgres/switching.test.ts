import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { Connection, serverOf } from '../../../db/postgres/connection.ts'
import type { Db } from '../../../db/tables.ts'
import { AUTHOR, buildApp, listen, signIn } from '../../helpers.ts'
import { callOf } from '../model/calls.ts'
import { addShortly } from './commands/behaving.ts'
import { OwnServer } from './servers.ts'
import { Tunnel } from './tunnel.ts'
import { COMMANDS } from './world.ts'

interface Event {
  sequence: number
  record: { name: string } | null
}

/** What comes by a stream of changes, until its end. */
async function follow(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Event[]> {
  const response = await fetch(`${url}/changes/stream?since=0`, { headers, signal })
  const events: Event[] = []
  const read = async () => {
    let text = ''
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString()
      const parts = text.split('\n\n')
      text = parts.pop() as string
      for (const part of parts) {
        const data = /^data: (.*)$/m.exec(part)?.[1]
        if (data !== undefined) events.push(JSON.parse(data))
      }
    }
  }
  read().catch(() => {})
  return events
}

/** Two instances, with a stream of changes at each, and a client that creates at the first. */
async function serve(t: Test, DATABASE_URL: string) {
  const instances = [await listen(t, { DATABASE_URL }), await listen(t, { DATABASE_URL })] as const
  const { headers } = await signIn(instances[0].server)
  const end = new AbortController()
  const streams = await Promise.all(instances.map(({ url }) => follow(url, headers, end.signal)))
  const acknowledged: string[] = []
  let last = 0
  const create = async (instance: 0 | 1) => {
    last += 1
    const name = `Author ${last}`
    const response = await fetch(`${instances[instance].url}/authors`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ ...AUTHOR, name })
    })
    if (response.status === 201) acknowledged.push(name)
    return response
  }
  t.teardown(() => end.abort())
  return { instances, headers, streams, acknowledged, create, end: () => end.abort() }
}

type Served = Awaited<ReturnType<typeof serve>>

/** What an instance answers once it has found the server that is back: it tries a few times a second. */
async function untilBack(request: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const response = await request()
    if (response.status !== 503) return response
    await sleep(50)
  }
}

/** Until both instances create again. */
async function recover(t: Test, { create }: Served): Promise<void> {
  const begun = performance.now()
  for (const instance of [0, 1] as const) {
    t.equal((await untilBack(() => create(instance))).status, 201)
  }
  t.ok(performance.now() - begun < 30_000, `again within ${Math.round(performance.now() - begun)} ms`)
}

/** Nothing was lost, skipped or doubled, and all have it in one order. */
async function checkAll(t: Test, { instances, headers, streams, acknowledged, end }: Served): Promise<void> {
  const log: Event[] = []
  for (let next: string | null = '/changes?since=0&limit=100'; next !== null; ) {
    const url = `${instances[1].url}${next}`
    const response = await untilBack(() => fetch(url, { headers }))
    const page = (await response.json()) as { data: Event[]; next: string | null }
    log.push(...page.data)
    next = page.next
  }
  const names = new Set(log.map(({ record }) => record?.name))
  t.strictSame(
    acknowledged.filter((name) => !names.has(name)),
    [],
    'what was acknowledged is there'
  )
  t.equal(names.size, log.length, 'and once')
  const sequences = log.map(({ sequence }) => sequence)
  for (const events of streams) {
    for (let tries = 0; events.length < log.length && tries < 100; tries += 1) await sleep(50)
    t.strictSame(
      events.map(({ sequence }) => sequence),
      sequences
    )
  }
  end()
}

t.test('a server that starts again', async (t) => {
  const server = await OwnServer.start(t)
  const served = await serve(t, server.url)
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    for (let i = 0; i < 5; i += 1) await served.create(0)
    const underWay = Promise.allSettled([1, 2, 3, 4].map(() => served.create(1)))
    await server.stop(signal)
    await underWay
    const responses = [
      await served.create(0),
      await fetch(`${served.instances[0].url}/authors`, { headers: served.headers }),
      await fetch(`${served.instances[1].url}/me`, { headers: served.headers })
    ]
    for (const response of responses) {
      t.match(await response.json(), { code: 'STORAGE_UNAVAILABLE' })
      t.equal(response.status, 503)
      t.ok(response.headers.has('retry-after'))
    }
    await server.start()
    await recover(t, served)
  }
  await checkAll(t, served)
})

t.test('a standby in the place of the primary', async (t) => {
  const primary = await OwnServer.start(t)
  await primary.stop()
  const standby = await primary.startStandby(t)
  await primary.start({ synchronous_standby_names: '*' })
  await t.rejects(openDatabase(standby.url), {
    message: /\(it is a standby, which takes no writes\)\. Set DATABASE_URL to the primary/
  })
  const url = `postgres://library@127.0.0.1:${standby.port},127.0.0.1:${primary.port}/postgres?connect_timeout=2`
  const served = await serve(t, url)
  for (let i = 0; i < 5; i += 1) await served.create(i % 2 === 0 ? 0 : 1)
  let isOver = false
  const load = Promise.all(
    ([0, 1, 0, 1] as const).map(async (instance) => {
      while (!isOver) if ((await served.create(instance)).status !== 201) await sleep(20)
    })
  )
  await sleep(500)
  await primary.stop('SIGQUIT')
  await sleep(300)
  const db = await directly(t, standby.url)
  await db.query('select pg_promote()')
  await recover(t, served)
  isOver = true
  await load
  t.comment(`${served.acknowledged.length} were acknowledged`)
  await checkAll(t, served)
})

t.test('what was cached of a server that is set back is forgotten', async (t) => {
  const server = await OwnServer.start(t)
  const { instances, headers, create } = await serve(t, server.url)
  const path = (await create(0)).headers.get('location') as string
  const get = async () => {
    const response = await untilBack(() => fetch(`${instances[1].url}${path}`, { headers }))
    return { status: response.status, etag: response.headers.get('etag') }
  }
  const before = await get()
  await server.stop()
  const setBack = server.keepState()
  await server.start()
  const change = { method: 'PATCH', headers: { ...headers, 'content-type': 'application/merge-patch+json' } }
  const body = JSON.stringify({ book: 'Another' })
  const patched = await untilBack(() => fetch(`${instances[0].url}${path}`, { ...change, body }))
  t.strictSame(await get(), { status: 200, etag: patched.headers.get('etag') })
  t.not(before.etag, patched.headers.get('etag'))
  await server.stop('SIGQUIT')
  setBack()
  await server.start()
  t.strictSame(await get(), before)
})

t.test('a server that lets nobody else in is no reason to give up what it works at', async (t) => {
  const server = await OwnServer.start(t, { max_connections: '10' })
  const db = await openDatabase(server.url)
  t.teardown(() => db.close())
  await sql`select 1`.execute(db.reads as Db)
  const slow = sql`select pg_sleep(5)`.execute(db.reads as Db)
  for (let isFull = false; !isFull; ) {
    const another = await Connection.open(serverOf(server.url), { name: 'test' }).catch(() => undefined)
    t.teardown(() => another?.close())
    isFull = another === undefined
  }
  await t.resolves(slow)
})

t.test('what was asked of one server hides nothing that is written to the next', async (t) => {
  const one = await OwnServer.start(t)
  const before = await buildApp(t, { DATABASE_URL: one.url })
  const { headers } = await signIn(before)
  const created = await before.inject({ method: 'POST', url: '/authors', headers, payload: AUTHOR })
  const author = { url: created.headers.location as string, headers }
  await before.close()
  await one.stop()
  const next = await one.startCopy(t)
  await one.start()

  let { port } = one
  const tunnel = await Tunnel.open(t, () => ({ host: '127.0.0.1', port }))
  const instance = await buildApp(t, { DATABASE_URL: tunnel.urlOf(one.url) })
  const client = await directly(t, one.url)
  for (let i = 0; i < 100; i += 1) await client.query('select pg_current_xact_id()')
  await instance.inject(author)
  await client.query('select pg_current_xact_id()')
  // While it asks what has changed, the next server takes the place of the first.
  tunnel.whenSent = (data) => {
    if (port !== one.port || !data.includes('"account_changes"') || !data.includes('$2')) return true
    port = next.port
    tunnel.reset()
    return false
  }
  t.equal((await instance.inject(author)).statusCode, 200)
  t.equal(port, next.port)

  const other = await buildApp(t, { DATABASE_URL: next.url })
  const patched = await other.inject({ ...author, method: 'PATCH', payload: { book: 'Shame' } })
  t.equal(patched.statusCode, 200)
  t.equal((await instance.inject(author)).headers.etag, patched.headers.etag)
})

t.test('what no standby has is not acknowledged, also when the time of its command is over', async (t) => {
  const primary = await OwnServer.start(t)
  await primary.stop()
  const standby = await primary.startStandby(t)
  await primary.start({ synchronous_standby_names: '*' })
  const events: string[] = []
  const db = await openDatabase(primary.url, {
    commandFolders: [COMMANDS],
    signal: ({ event }) => events.push(event)
  })
  t.teardown(() => db.close())
  const client = await directly(t, primary.url)
  await client.query('create table words (word text primary key)')
  await db.run(callOf(addShortly, { word: 'before' }))
  await sql`select 1`.execute(db.reads as Db)

  await standby.stop('SIGQUIT')
  let isBack = false
  const word = db.run(callOf(addShortly, { word: 'late' })).then(() => isBack)
  await sleep(1500)
  isBack = true
  await standby.start()
  t.equal(await word, true, 'it was acknowledged only after the standby was there')

  for (const end of ['pg_cancel_backend', 'pg_terminate_backend']) {
    await standby.stop('SIGQUIT')
    events.length = 0
    const cancelled = db.run(callOf(addShortly, { word: end })).catch((error) => error)
    await sleep(500)
    await client.query(
      `select ${end}(pid) from pg_stat_activity where application_name = 'library-api writes' and wait_event = 'SyncRep'`
    )
    t.ok(isUnavailable(await cancelled), `nor when the operator ends the wait for it: ${end}`)
    t.ok(events.includes('commit_unknown'))
    await standby.start()
    await db.run(callOf(addShortly, { word: `after ${end}` }))
  }
})

async function directly(t: Test, url: string) {
  const { default: pg } = await import('pg')
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}
