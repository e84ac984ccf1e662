/** Commands as they should not be, and such as tell what goes on in the thread. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { isMainThread, parentPort } from 'node:worker_threads'
import { sql } from 'kysely'
import { serviceCommand } from '../../../../db/command.ts'
import { Problem } from '../../../../db/problems.ts'
import type { Db } from '../../../../db/tables.ts'

const SHORT_MS = 1000

const insert = (trx: Db, word: string) => sql`insert into words values (${word})`.execute(trx)

export const addSoon = serviceCommand(
  'testAddSoon',
  async (trx, { word }: { word: string }) => {
    await insert(trx, word)
  },
  SHORT_MS
)

export const loop = serviceCommand(
  'testLoop',
  async () => {
    for (;;);
  },
  SHORT_MS
)

export const loopInSql = serviceCommand(
  'testLoopInSql',
  async (trx) => {
    await sql`with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < 20000000)
      select count(*) from numbers`.execute(trx)
  },
  SHORT_MS
)

export const throwLater = serviceCommand('testThrowLater', async () => {
  setTimeout(() => {
    throw new Error('nobody catches it')
  }, 1)
})

/** Once its database is closed, the thread fails. */
export const throwOnceEnded = serviceCommand('testThrowOnceEnded', async () => {
  const port = parentPort as NonNullable<typeof parentPort>
  const post = port.postMessage.bind(port)
  port.postMessage = (message: unknown) => {
    post(message)
    if (message !== 'ended') return
    queueMicrotask(() => {
      throw new Error('nobody catches it')
    })
  }
})

export const keepThread = serviceCommand('testKeepThread', async () => {
  setInterval(() => {}, 1000)
})

export const loopLater = serviceCommand('testLoopLater', async () => {
  setTimeout(() => {
    for (;;);
  }, 1)
})

export const allocate = serviceCommand('testAllocate', async () => {
  const kept: unknown[] = []
  for (;;) kept.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
})

export const giveFunction = serviceCommand('testGiveFunction', async (trx) => {
  await insert(trx, 'with a function')
  return () => {}
})

export const throwText = serviceCommand('testThrowText', async () => {
  throw 'a text'
})

/** Fails with its first statement while others are on their way. */
export const failBeside = serviceCommand('testFailBeside', async (trx) => {
  const later = async () => {
    for (let i = 0; i < 50; i++) await null
    await insert(trx, 'beside')
  }
  await Promise.all([sql`insert into nothing values (1)`.execute(trx), later()])
})

export const rollBack = serviceCommand('testRollBack', async (trx) => {
  await sql`rollback`.execute(trx)
  await insert(trx, 'after the rollback').catch(() => {})
})

let runs = 0

/** Writes under its id and time, refuses if it is told to, and says how often any of these was run. */
export const note = serviceCommand(
  'testNote',
  async (
    trx,
    { id, at, word, fails }: { word: string; fails?: 'early' | 'late' } & { id: string; at: string }
  ) => {
    runs += 1
    if (fails === 'early') throw new Problem('KEY_NOT_FOUND', [word])
    await yieldToEventLoop()
    await insert(trx, word)
    const { rows } = await sql<{ n: number }>`select count(*) as n from words`.execute(trx)
    if (fails === 'late') throw new Problem('USERNAME_TAKEN', [word], { headers: { etag: id } })
    return { id, at, number: rows[0]?.n, runs }
  }
)

// A thread that ends before it has begun.
if (!isMainThread && process.env.MUTANT === 'dies at its start') process.exit()
