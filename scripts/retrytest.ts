/** `npm run retrytest -- POSTS KILLS`: sends POSTs with idempotency keys until each is answered, while the service is killed in between. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import pLimit from 'p-limit'
import { helpIfAsked } from './command-line/read.ts'
import { type Place, placeIn, settingsOf, startOnNew } from './crash/place.ts'
import { type Headers, type Service, signIn, startService } from './service-process.ts'

const CLIENTS = 40
const PAUSE_MS = 20

export interface RetryTest {
  posts: number
  kills: number
  place: Place
  log: (line: string) => void
  /** Without keys, to prove that it would be noticed. */
  withoutKeys?: boolean
}

/** Tells how many requests it took, how many authors there are at the end, and all that was not as it must be. */
export async function retrytest({ posts, kills, place, log, withoutKeys = false }: RetryTest) {
  let running = startOnNew(place)
  const headers = await signIn((await running).url)
  const faults: string[] = []
  let answered = 0
  let requests = 0

  /** Sends one until it is answered, then once more as if the answer had been lost. */
  async function post(number: number): Promise<void> {
    const key = { ...headers, ...(!withoutKeys && { 'idempotency-key': randomUUID() }) }
    const body = JSON.stringify({ name: `Retry ${number}`, book: 'Again', country: 'Nowhere' })
    const first = await untilAnswered(key, body)
    answered += 1
    const again = await untilAnswered(key, body)
    if (first.status !== 201) faults.push(`${number} was answered ${first.status}`)
    if (!isDeepStrictEqual(again, first)) faults.push(`${number} was answered otherwise the second time`)
  }

  async function untilAnswered(key: Headers, body: string) {
    for (;;) {
      const { url } = await running
      requests += 1
      try {
        const answer = await fetch(`${url}/authors`, { method: 'POST', headers: key, body })
        const text = await answer.text()
        const isOpen = answer.status >= 500 || text.includes('IDEMPOTENCY_KEY_IN_USE')
        if (!isOpen) return { status: answer.status, text, etag: answer.headers.get('etag') }
      } catch {
        // The service was killed: whether the author is there is not known.
      }
      await sleep(PAUSE_MS)
    }
  }

  async function restart(service: Service): Promise<Service> {
    await service.end('SIGKILL')
    return startService(place.databaseUrl, settingsOf(place))
  }

  async function killNowAndThen(): Promise<void> {
    for (let kill = 1; kill <= kills; kill++) {
      while (answered < (posts * kill) / (kills + 1)) await sleep(1)
      running = restart(await running)
      await running
      log(`kill ${kill}: ${answered} of ${posts} answered`)
    }
  }

  try {
    const numbers = Array.from({ length: posts }, (_, index) => index)
    await Promise.all([pLimit(CLIENTS).map(numbers, post), killNowAndThen()])
    const answer = await fetch(`${(await running).url}/authors?limit=1&count=true`, { headers })
    const { total: authors } = (await answer.json()) as { total: number }
    log(`${posts} posts in ${requests} requests over ${kills} kills: ${authors} authors`)
    for (const fault of faults.slice(0, 5)) log(`  ${fault}`)
    return { authors, requests, faults }
  } finally {
    await (await running).end('SIGKILL')
  }
}

const USAGE = `usage: npm run retrytest -- POSTS KILLS
  on a new file, or on the server that DATABASE_URL names, in a new database`

async function main(posts: number, kills: number): Promise<void> {
  if (!(posts > 0) || !(kills >= 0)) throw new Error(USAGE)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-retry-'))
  const place = placeIn(folder)
  const { authors, faults } = await retrytest({ posts, kills, place, log: console.log })
  rmSync(folder, { recursive: true })
  process.exitCode = authors === posts && faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  await main(Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 10)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
