/** The servers that are measured, each a process of its own. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import path from 'node:path'
import { type Service, startService } from '../scripts/service-process.ts'
import { type Fixture, SETTINGS } from './fixture.ts'
import { type Answers, kindOf } from './raw-server.ts'
import { ask, type Request, type Response } from './requests.ts'
import type { Context } from './scenarios.ts'

/** Of so many answers of a kind the one in the middle by length is sent by the raw server. */
const SAMPLES = 15
/** Node sends them by itself. */
const NODES_OWN = ['date', 'connection', 'keep-alive']

export interface Contender {
  url: string
  pid: number
  /** Further instances, which get their share of the load. */
  others?: Pick<Contender, 'url' | 'pid'>[]
  /** The time of a processor that the server of its database has used so far, if it has one. */
  databaseCpu?: (() => number) | undefined
  end(): Promise<unknown>
}

/** The service, or one of its rivals, with what it is asked about. */
export interface Competitor extends Contender {
  context: Context
}

export interface RawServer extends Contender {
  /** From now on it sends what the service answers to such requests. */
  imitate(url: string, requests: Request[]): Promise<void>
}

export async function startCompetitor(
  fixture: Fixture,
  variables: Record<string, string> = {},
  file = 'server.js'
): Promise<Competitor> {
  const service = await startService(fixture.databaseUrl, { ...SETTINGS, ...variables }, file)
  return { ...toContender(service), context: { ...fixture, url: service.url } }
}

function toContender({ url, pid, end }: Service): Contender {
  return { url, pid, end: () => end('SIGTERM') }
}

/** The stack of the tutorials, with a copy of the authors and as many users, in that folder. */
export async function startPlainStack(folder: string, fixture: Fixture): Promise<Competitor> {
  const file = path.join(folder, 'plain.db')
  const { child, message } = await startProcess('plain-stack.ts', [
    fixture.databaseUrl,
    file,
    String(fixture.tokens.length)
  ])
  const { url, tokens } = message as { url: string; tokens: string[] }
  return { url, pid: child.pid as number, end: () => endProcess(child), context: { ...fixture, url, tokens } }
}

export async function startRawServer(): Promise<RawServer> {
  const { child, message } = await startProcess('raw-server.ts', [])
  const url = message as string
  const imitate = async (serviceUrl: string, requests: Request[]) => {
    const answers = await captureAnswers(serviceUrl, requests)
    child.send(answers)
    await once(child, 'message')
    await refuseDifference(url, requests, answers)
  }
  return { url, pid: child.pid as number, end: () => endProcess(child), imitate }
}

async function startProcess(file: string, parameters: string[]) {
  const child = fork(path.join(import.meta.dirname, file), parameters, { execArgv: [] })
  const failed = once(child, 'exit').then(() => {
    throw new Error(`bench/${file} ended before it was ready`)
  })
  const [message] = await Promise.race([once(child, 'message'), failed])
  failed.catch(() => {})
  return { child, message }
}

async function endProcess(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill()
  await exited
}

/** What the service answers to each kind of request, without what Node adds. */
async function captureAnswers(url: string, requests: Request[]): Promise<Answers> {
  const answers: Answers = {}
  for (const [kind, alike] of byKind(requests)) {
    const samples = await Promise.all(alike.slice(0, SAMPLES).map((request) => ask(url, request)))
    samples.sort((a, b) => a.body.length - b.body.length)
    answers[kind] = withoutNodesOwn(samples[Math.floor(samples.length / 2)] as Response)
  }
  return answers
}

function byKind(requests: Request[]): Map<string, Request[]> {
  return Map.groupBy(requests, ({ method, path }) => kindOf(method, path))
}

function withoutNodesOwn(response: Response): Response {
  const headers = response.headers.filter((_text, index, all) => {
    const name = all[index - (index % 2)] as string
    return !NODES_OWN.includes(name.toLowerCase())
  })
  return { ...response, headers }
}

/** Makes sure that the raw server sends the same bytes. */
async function refuseDifference(url: string, requests: Request[], answers: Answers): Promise<void> {
  for (const [kind, [request]] of byKind(requests)) {
    const actual = JSON.stringify(withoutNodesOwn(await ask(url, request as Request)))
    if (actual === JSON.stringify(answers[kind])) continue
    throw new Error(`the raw server answers ${actual} instead of ${JSON.stringify(answers[kind])}`)
  }
}

/** What they run on. */
export interface Fixtures {
  service: Fixture
  /** The same in a file, if the service's own is on a server. */
  sqlite?: Fixture
  databaseCpu?: (() => number) | undefined
}

/** All of them on the same data, each started when it is first asked for. */
export class Contenders {
  readonly #folder: string
  readonly #fixtures: Fixtures
  readonly #file: Fixture
  readonly #copy: Fixture
  readonly #started = new Map<string, Promise<Contender>>()

  constructor(folder: string, fixtures: Fixtures) {
    this.#folder = folder
    this.#fixtures = fixtures
    this.#file = fixtures.sqlite ?? fixtures.service
    const { databaseUrl } = this.#file
    this.#copy = { ...this.#file, databaseUrl: path.join(folder, 'copy', path.basename(databaseUrl)) }
    cpSync(path.dirname(databaseUrl), path.dirname(this.#copy.databaseUrl), { recursive: true })
  }

  service() {
    return this.#once('service', () => this.#start())
  }

  /** Several instances of it on one database. */
  async instances(count: number): Promise<Competitor> {
    const first = await this.service()
    const others: Competitor[] = []
    for (let number = 2; number <= count; number++) {
      others.push(await this.#once(`instance ${number}`, () => this.#start()))
    }
    return { ...first, others }
  }

  /** The service, which tells at a socket what it asks of its server. */
  counting(socket: string) {
    const variables = { COUNTS_SOCKET: socket }
    return this.#once('counting', () => this.#start(variables, 'bench/counting-service.ts'))
  }

  sqlite() {
    return this.#once('sqlite', () => startCompetitor(this.#file))
  }

  raw() {
    return this.#once('raw', startRawServer)
  }

  plain() {
    return this.#once('plain', () => startPlainStack(this.#folder, this.#file))
  }

  /** The service without group commit, with a copy of the data. */
  commit() {
    return this.#once('commit', () => startCompetitor(this.#copy, {}, 'bench/one-commit-each.ts'))
  }

  async end(): Promise<void> {
    const all = await Promise.allSettled(this.#started.values())
    for (const start of all) if (start.status === 'fulfilled') await start.value.end()
  }

  async #start(variables?: Record<string, string>, file?: string): Promise<Competitor> {
    const { service, databaseCpu } = this.#fixtures
    return { ...(await startCompetitor(service, variables, file)), databaseCpu }
  }

  #once<C extends Contender>(name: string, start: () => Promise<C>): Promise<C> {
    const started = (this.#started.get(name) as Promise<C> | undefined) ?? start()
    this.#started.set(name, started)
    return started
  }
}
