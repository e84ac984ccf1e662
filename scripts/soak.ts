/** `npm run soak -- SECONDS`: attacks the service in all ways at once while an honest client works with it. Linux only. */
import { fork } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { helpIfAsked } from './command-line/read.ts'
import { type Headers, type Service, signIn, startService } from './service-process.ts'
import type { seen, Target } from './soak/attacks.ts'
import { HonestClient } from './soak/honest-client.ts'

const LIMITS = { p99Ms: 150, memoryMb: 700 }
/** Memory is flat when the last third of the time has not much more than the third before. */
const MOST_GROWTH = 1.15
const SETTLED_WITHIN_SECONDS = 90
const REPORT_EVERY_SECONDS = 10
const LONG_NOTES = 100

export interface Soak {
  seconds: number
  /** Shares of the full load, 1 for all of it. */
  scale: number
  folder: string
  log: (line: string) => void
  limits?: typeof LIMITS
}

/** What a process has, in MB and descriptors. */
interface Usage {
  memory: number
  descriptors: number
}

/** Runs it, and gives all that was not as it must be. */
export async function soak({ seconds, scale, folder, log, limits = LIMITS }: Soak): Promise<string[]> {
  const service = await startService(path.join(folder, 'library.db'), {
    ACCESS_TOKEN_TTL: '86400',
    LOG_LEVEL: 'fatal',
    TRUST_PROXY: 'loopback'
  })
  try {
    const [headers, ...others] = await signInAll(service)
    await addLongNotes(service, others[0] as Headers)
    const before = usageOf(service)
    const client = new HonestClient(service.url, headers as Headers)
    const memory = await underAttack(
      service,
      client,
      { url: service.url, tokens: tokensOf(others), scale },
      seconds,
      log
    )
    const after = await settled(service, before, log)
    return faultsOf(client, memory, before, after, limits)
  } finally {
    await service.end('SIGTERM')
  }
}

function signInAll({ url }: Service): Promise<Headers[]> {
  return Promise.all(Array.from({ length: 9 }, () => signIn(url)))
}

function tokensOf(users: Headers[]): string[] {
  return users.map(({ authorization = '' }) => authorization.replace('Bearer ', ''))
}

/** After which a page of changes has some 2 MB. */
async function addLongNotes({ url }: Service, headers: Headers): Promise<void> {
  const note = '\u0001'.repeat(4000)
  for (let n = 0; n < LONG_NOTES; n++) {
    const body = JSON.stringify({ name: `Long ${n}`, book: 'A book', country: 'India', note })
    await fetch(`${url}/authors`, { method: 'POST', headers, body })
  }
}

/** How much memory the service had, second after second. */
async function underAttack(
  service: Service,
  client: HonestClient,
  target: Target,
  seconds: number,
  log: Soak['log']
): Promise<number[]> {
  const attackers = fork(path.join(import.meta.dirname, 'soak/attackers.ts'), { execArgv: [] })
  let attacked: typeof seen | undefined
  attackers.on('message', (message: typeof seen) => {
    attacked = message
  })
  attackers.send(target)
  const running = client.run()
  const memory: number[] = []
  for (let second = 1; second <= seconds; second++) {
    await pause(1000)
    const usage = usageOf(service)
    memory.push(usage.memory)
    if (second % REPORT_EVERY_SECONDS === 0 || second === seconds)
      log(`${second} s: ${described(client)}, ${told(usage)}, attackers ${JSON.stringify(attacked)}`)
  }
  client.end()
  await running
  attackers.disconnect()
  return memory
}

/** Waits until all that the attackers have left is closed. */
async function settled(service: Service, before: Usage, log: Soak['log']): Promise<Usage> {
  let usage = usageOf(service)
  for (let second = 0; second < SETTLED_WITHIN_SECONDS && usage.descriptors > before.descriptors; second++) {
    await pause(1000)
    usage = usageOf(service)
  }
  log(`afterwards: ${told(usage)}; before: ${told(before)}`)
  return usage
}

function faultsOf(
  client: HonestClient,
  memory: number[],
  before: Usage,
  after: Usage,
  { p99Ms, memoryMb }: typeof LIMITS
): string[] {
  const [earlier, last] = [medianOf(thirdOf(memory, 1)), medianOf(thirdOf(memory, 2))]
  const worst = Math.max(...memory)
  return [
    ...client.failures.slice(0, 20),
    ...(quantile(client.times, 0.99) > p99Ms ? [`the p99 is over ${p99Ms} ms`] : []),
    ...(worst > memoryMb ? [`the memory came to ${worst} MB`] : []),
    ...(last > MOST_GROWTH * earlier ? [`the memory grew from ${earlier} to ${last} MB`] : []),
    ...(after.descriptors > before.descriptors
      ? [`${after.descriptors} descriptors are open, not ${before.descriptors}`]
      : [])
  ]
}

function thirdOf(values: number[], index: number): number[] {
  const length = Math.floor(values.length / 3)
  return values.slice(index * length, (index + 1) * length)
}

function medianOf(values: number[]): number {
  return quantile(values, 0.5)
}

function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

function described({ times, failures }: HonestClient): string {
  const [p50, p99, worst] = [0.5, 0.99, 1].map((share) => quantile(times, share).toFixed(1))
  return `${times.length} honest requests, ${failures.length} failed, p50 ${p50}, p99 ${p99}, max ${worst} ms`
}

function usageOf({ pid }: Service): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const memory = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
  return { memory, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

function told({ memory, descriptors }: Usage): string {
  return `${memory} MB, ${descriptors} descriptors`
}

const USAGE = 'usage: npm run soak -- SECONDS [SCALE]'

async function main(seconds: number, scale: number): Promise<void> {
  if (!(seconds > 0 && scale > 0)) throw new Error(USAGE)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-soak-'))
  const faults = await soak({ seconds, scale, folder, log: console.log })
  for (const fault of faults) console.error(fault)
  rmSync(folder, { recursive: true })
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  await main(Number(process.argv[2] ?? 600), Number(process.argv[3] ?? 1)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
