/** wrk, which asks as fast as it is answered. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { type Request, takeNumbers, toFile } from './requests.ts'

const SCRIPT = path.join(import.meta.dirname, 'load.lua')
const MOST_REQUESTS_A_SECOND = 200_000

/** What wrk measured in one run; the latencies are in milliseconds. */
export interface Run {
  requests: number
  rate: number
  p50: number
  p99: number
  failed: number
}

/** Requests that stand ready in a file, and how they are sent. */
export interface Load {
  file: string
  connections: number
  /** Milliseconds that each connection waits before it asks again. */
  pause?: number
}

/** Without wrk nothing can be measured. */
export class WrkMissing extends Error {
  override readonly name = 'WrkMissing'
  override readonly message =
    'wrk is missing: install it with "apt-get install wrk" (Debian) or "brew install wrk" (macOS).'
}

/** Writes the requests into the file, ready to be sent on so many connections. */
export function prepareLoad(file: string, requests: Request[], connections: number): Load {
  writeFileSync(file, toFile(requests))
  return { file, connections }
}

/** Throws `WrkMissing`. */
export async function refuseMissingWrk(): Promise<void> {
  await once(spawn('wrk', ['-v']), 'close').catch(() => {
    throw new WrkMissing()
  })
}

/** Puts the load for so long on a server, or on several, to which the connections are dealt out. */
export async function putLoad(urls: string[], load: Load, seconds: number): Promise<Run> {
  const range = Math.ceil(seconds * MOST_REQUESTS_A_SECOND)
  const first = takeNumbers(range * urls.length)
  const threads = urls.length
  const connections = Math.max(threads, Math.ceil(load.connections / threads) * threads)
  // wrk knows only whole seconds, but ends well when it is interrupted.
  const settings = [`-t${threads}`, `-c${connections}`, `-d${Math.ceil(seconds) + 2}s`, '--latency']
  const numbers = [first, load.pause ?? 0, range].map(String)
  const env = { ...process.env, LOAD_PORTS: urls.map((url) => new URL(url).port).join(' ') }
  const child = spawn('wrk', [...settings, '-s', SCRIPT, urls[0] as string, '--', load.file, ...numbers], {
    env
  })
  const output = text(child.stdout)
  const closed = once(child, 'close')
  child.stderr.once('data', () => setTimeout(() => child.kill('SIGINT'), seconds * 1000))
  await closed
  return readRun(await output)
}

function readRun(output: string): Run {
  const result = /^RESULT (.+)$/m.exec(output)?.[1]
  if (result === undefined) throw new Error(`wrk did not tell its result:\n${output}`)
  const { seconds, ...run } = JSON.parse(result)
  const rate = run.requests / seconds
  // One that was not answered has waited all the time.
  return run.requests === 0 ? { ...run, rate, p50: seconds * 1000, p99: seconds * 1000 } : { ...run, rate }
}
