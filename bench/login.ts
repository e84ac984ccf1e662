/**
 * `npm run bench:login`: whether the clock tells an unknown user from a wrong password, and what hammering POST /login does
 * to everybody else. Against the service as its own process, with its limits off, for they would refuse the hammering.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { helpIfAsked, readCommandLine } from '../scripts/command-line/read.ts'
import { type Headers, signIn, startService } from '../scripts/service-process.ts'
import { residentMegabytes } from './process-usage.ts'

const HAMMERING_CONNECTIONS = 16
const JSON_TYPE = { 'content-type': 'application/json' }
const ACCOUNT = { username: 'salman', password: 'the moors last sigh' }

helpIfAsked('usage: npm run bench:login -- [--tries N] [--seconds N]')
const { values: options } = readCommandLine({
  begin: 'npm run bench:login --',
  words: 0,
  options: { tries: { type: 'string', default: '400' }, seconds: { type: 'string', default: '10' } }
})

function basic(username: string, password: string) {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

async function logIn(url: string, username: string, password: string) {
  const start = performance.now()
  const answer = await fetch(`${url}/login`, { method: 'POST', headers: basic(username, password) })
  await answer.arrayBuffer()
  return { status: answer.status, milliseconds: performance.now() - start }
}

function quantile(values: number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] as number
}

/** Medians of interleaved tries, in an order that changes, and their difference in per cent. */
async function compareTimes(url: string, tries: number) {
  const times = { unknown: [] as number[], wrong: [] as number[] }
  for (let i = 0; i < tries; i++) {
    const isUnknown = (i + Math.floor(i / 2)) % 2 === 0
    const { milliseconds } = await logIn(
      url,
      isUnknown ? 'nobody' : ACCOUNT.username,
      'not the password at all'
    )
    times[isUnknown ? 'unknown' : 'wrong'].push(milliseconds)
  }
  const [unknown, wrong] = [quantile(times.unknown, 0.5), quantile(times.wrong, 0.5)]
  return `unknown user ${unknown.toFixed(2)} ms, wrong password ${wrong.toFixed(2)} ms, difference ${(100 * Math.abs(1 - unknown / wrong)).toFixed(1)} %`
}

/** Does the work again and again on so many connections until `stop()`; gives how often. */
function keepBusy(connections: number, work: () => Promise<unknown>) {
  let isOver = false
  let count = 0
  const loop = async () => {
    while (!isOver) {
      await work()
      count++
    }
  }
  const done = Promise.all(Array.from({ length: connections }, loop))
  return {
    stop: async () => {
      isOver = true
      await done
      return count
    }
  }
}

async function readTimes(url: string, headers: Headers, seconds: number): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const start = performance.now()
    const answer = await fetch(`${url}/authors/salman-rushdie`, { headers })
    await answer.arrayBuffer()
    if (answer.status !== 200) throw new Error(`a read answered ${answer.status}`)
    times.push(performance.now() - start)
  }
  return times
}

function describeReads(times: number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms`
}

async function bench(url: string, pid: number, tries: number, seconds: number): Promise<void> {
  const headers = await signIn(url)
  await fetch(`${url}/register`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(ACCOUNT) })
  const author = JSON.stringify({ name: 'Salman Rushdie', book: 'Shame', country: 'India' })
  await fetch(`${url}/authors`, { method: 'POST', headers, body: author })
  await readTimes(url, headers, 2)

  console.log(`logins, idle:       ${await compareTimes(url, tries)}`)
  const load = keepBusy(4, () => fetch(`${url}/authors`, { headers }).then((answer) => answer.arrayBuffer()))
  console.log(`logins, under load: ${await compareTimes(url, tries)}`)
  await load.stop()

  const idle = await readTimes(url, headers, seconds)
  console.log(`reads, idle:        ${describeReads(idle)}`)
  const before = residentMegabytes(pid)
  const hammer = keepBusy(HAMMERING_CONNECTIONS, () => logIn(url, ACCOUNT.username, 'a wrong password'))
  const hammered = await readTimes(url, headers, seconds)
  const right = await logIn(url, ACCOUNT.username, ACCOUNT.password)
  const after = residentMegabytes(pid)
  const logins = await hammer.stop()
  console.log(
    `reads, hammered:    ${describeReads(hammered)}; p99 is ${(quantile(hammered, 0.99) / quantile(idle, 0.99)).toFixed(2)} times the idle one`
  )
  console.log(
    `hammering:          ${logins} wrong logins on ${HAMMERING_CONNECTIONS} connections; a correct one answered ${right.status} in ${right.milliseconds.toFixed(0)} ms`
  )
  console.log(`memory:             ${before.toFixed(0)} MB before, ${after.toFixed(0)} MB after`)
}

const folder = mkdtempSync(path.join(tmpdir(), 'library-login-'))
const service = await startService(path.join(folder, 'library.db'), { RATE_LIMIT: 'off' })
try {
  await bench(service.url, service.pid, Number(options.tries), Number(options.seconds))
} finally {
  await service.end('SIGTERM')
  rmSync(folder, { recursive: true })
}
