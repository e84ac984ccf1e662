/** What pgbench does with the very statements that the service sends, on a copy of its data: a floor that needs no service. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Competitor, Contenders } from './contenders.ts'
import type { Sent } from './counting-service.ts'
import { type Figure, formatRate, formatRatio, loadFor } from './figures.ts'
import { failedIn, type Measured, measure, type Pace, ratioOf } from './measuring.ts'
import { toScript } from './pgbench-script.ts'
import { ask, type Request, takeNumbers, UNIQUE } from './requests.ts'
import { socketIn, takeCounts } from './round-trips.ts'
import { newAuthor, oneAuthor } from './scenarios.ts'

const CLIENTS = 64
const THREADS = 2
const BATCH = 16
const LEAST_OF_PGBENCH = 0.5
/** Longer than the numbers of requests, so that no name of pgbench's is one of the service's. */
const UNIQUE_RANGE = '1000000000000, 9999999999999'
const ID_TAIL = 12

interface Rival {
  title: string
  scenario: 'one-author' | 'create'
  script: string
  /** Of the service in each of pgbench's transactions. */
  requests: number
  target?: number
}

/** The service beside pgbench; the copy is the URL of a database with the same data, which pgbench may change. */
export async function measurePgbench(
  contenders: Contenders,
  folder: string,
  pace: Pace,
  copy: string
): Promise<Figure[]> {
  if (!(await hasPgbench())) {
    return [{ title: 'beside pgbench', value: 'not measured: pgbench is missing', failed: 0 }]
  }
  const rivals = await prepareRivals(contenders, folder)
  const service = await contenders.service()
  const figures: Figure[] = []
  for (const rival of rivals) {
    const compared = compareWith(rival, service, folder, pace, copy)
    figures.push(await compared.catch((error) => notMeasured(titleOf(rival), error)))
  }
  return figures
}

function titleOf({ title }: Rival): string {
  return `the service to pgbench, ${title}`
}

/** What else was measured is not lost. */
function notMeasured(title: string, { stderr = '', message }: Error & { stderr?: string }): Figure {
  return { title, value: `not measured: ${(stderr || message).split('\n')[0]}`, failed: 0 }
}

async function hasPgbench(): Promise<boolean> {
  return promisify(execFile)('pgbench', ['--version']).then(
    () => true,
    () => false
  )
}

async function compareWith(
  rival: Rival,
  service: Competitor,
  folder: string,
  { rounds, seconds }: Pace,
  copy: string
): Promise<Figure> {
  const { scenario, script, requests, target } = rival
  const load = await loadFor(scenario, service.context, folder)
  const file = path.join(folder, 'pgbench.sql')
  writeFileSync(file, script)
  const ofService: Measured[] = []
  const ofPgbench: Pick<Measured, 'rate'>[] = []
  for (let round = 0; round < rounds; round++) {
    ofService.push(await measure({ contender: service, load }, seconds))
    ofPgbench.push({ rate: requests * (await transactionsASecond(file, copy, seconds)) })
  }
  const ratio = ratioOf<'rate'>(ofService, ofPgbench)
  const rates = `${formatRate(ofService)} to ${formatRate(ofPgbench)} requests/s`
  return {
    title: titleOf(rival),
    value: `${formatRatio(ratio)}: ${rates}`,
    ...(target !== undefined && { target: { text: `>= ${target}`, isMet: ratio.median >= target } }),
    failed: failedIn(ofService)
  }
}

async function transactionsASecond(file: string, url: string, seconds: number): Promise<number> {
  const settings = ['-n', '-M', 'prepared', '-c', String(CLIENTS), '-j', String(THREADS)]
  const parameters = [...settings, '-T', String(Math.ceil(seconds)), '-f', file, url]
  const { stdout, stderr } = await promisify(execFile)('pgbench', parameters)
  const rate = /^tps = ([\d.]+)/m.exec(stdout)?.[1]
  if (rate === undefined || /aborted/.test(stderr)) throw new Error(`pgbench failed:\n${stdout}${stderr}`)
  return Number(rate)
}

async function prepareRivals(contenders: Contenders, folder: string): Promise<Rival[]> {
  const socket = socketIn(folder)
  const counting = await contenders.counting(socket)
  const sentFor = async (request: Request) => {
    await takeCounts(socket)
    const { status, body } = await ask(counting.url, request)
    if (status !== request.status)
      throw new Error(`${request.method} ${request.path} answered ${status}: ${body}`)
    return { sent: (await takeCounts(socket)).sent, author: JSON.parse(body) as { id: string } }
  }
  const { context } = counting
  // The first knows nothing of the session yet.
  for (const request of oneAuthor(context).slice(0, 1)) await ask(counting.url, request)
  const create = await recordCreate(context.tokens[0] as string, sentFor)
  return [
    { title: 'one author', scenario: 'one-author', script: await readScript(context, sentFor), requests: 1 },
    {
      title: 'create, each in a transaction',
      scenario: 'create',
      script: create.script(1),
      requests: 1,
      target: LEAST_OF_PGBENCH
    },
    {
      title: `create, ${BATCH} in a transaction`,
      scenario: 'create',
      script: create.script(BATCH),
      requests: BATCH
    }
  ]
}

type SentFor = (request: Request) => Promise<{ sent: Sent[]; author: { id: string } }>

/** An import gives ids that count up in their last digits. */
async function readScript({ ids, tokens }: Competitor['context'], sentFor: SentFor): Promise<string> {
  const [first, last] = [ids[0] as string, ids.at(-1) as string]
  const tailOf = (id: string) => Number.parseInt(id.slice(-ID_TAIL), 16)
  if (tailOf(last) - tailOf(first) !== ids.length - 1) throw new Error('the ids of the authors have gaps')
  const headers = { authorization: `Bearer ${tokens[0]}` }
  const { sent } = await sentFor({ method: 'GET', path: `/authors/${last}`, headers, status: 200 })
  const id = `'${last.slice(0, -ID_TAIL)}' || lpad(to_hex(:tail::bigint), ${ID_TAIL}, '0')`
  const body = toScript(alone(sent), { texts: [[last, id]], numbers: [] })
  return `\\set tail random(${tailOf(first)}, ${tailOf(last)})\n${body}`
}

/** On several connections one after the other, which pgbench has not. */
function alone(sent: Sent[]): Sent[] {
  return sent.map((statement) => ({ ...statement, isTogether: false }))
}

/** The statements of a create, with other texts and numbers each time. */
async function recordCreate(token: string, sentFor: SentFor) {
  const unique = String(takeNumbers(1))
  const request = JSON.parse(JSON.stringify(newAuthor(token)).replaceAll(UNIQUE, unique))
  const { sent, author } = await sentFor(request)
  const begin = sent.findIndex(({ sql }) => /^begin/i.test(sql))
  const own = sent.slice(begin).filter(({ connection }) => connection === sent[begin]?.connection)
  const transaction = patient(own.slice(0, own.findIndex(({ sql }) => /^commit/i.test(sql)) + 1))
  const first = transaction.findIndex(({ isTogether }, index) => index > 0 && !isTogether)
  const last = transaction.findLastIndex(({ parameters }) => parameters.length > 0) + 1
  const number = numberIn(transaction.slice(first, last))
  const nothing = { texts: [], numbers: [] }
  const [opening, closing] = [transaction.slice(0, first), toScript(transaction.slice(last), nothing)]
  const lock = toScript(alone(opening.slice(-1)), nothing).replace(/;\n$/, '')
  // Its transaction's id, which grows, is what rows get their numbers from; a pipeline cannot give it.
  const begun = `${toScript(opening.slice(0, -1), nothing)}${lock} \\gset batch_\n`
  const one = (index: number) => {
    const place = `:number${index}::bigint`
    const id = `'${author.id.slice(0, -ID_TAIL)}' || lpad(to_hex(${place}), ${ID_TAIL}, '0')`
    const texts: [string, string][] = [
      [author.id, id],
      [unique, `:unique${index}::text`]
    ]
    const drawn = `\\set unique${index} random(${UNIQUE_RANGE})\n`
    const numbered = `\\set number${index} :batch_id * ${BATCH} + ${number + index}\n`
    const body = toScript(transaction.slice(first, last), { texts, numbers: [[number, place]] })
    return drawn + numbered + body
  }
  return {
    script: (count: number) =>
      begun + Array.from({ length: count }, (_, index) => one(index)).join('') + closing
  }
}

/** Of 64 clients the last waits for 63 others, where the service has one connection that writes. */
function patient(sent: Sent[]): Sent[] {
  const limits = /((?:lock|statement)_timeout(?:', '| = ))\d+/g
  return sent.map((statement) => ({ ...statement, sql: statement.sql.replaceAll(limits, '$10') }))
}

/** The author's: the first value that is inserted into its table. */
function numberIn(sent: readonly Sent[]): number {
  const insert = sent.find(({ sql }) => /^insert into "authors"/i.test(sql))
  const number = insert?.parameters[0]
  if (typeof number !== 'number') throw new Error('the statements of a create were not recorded')
  return number
}
