/** `npm run seed [-- FILE] [--url URL]`: loads a CSV of authors through the HTTP API, as any client would. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parse } from 'csv-parse/sync'
import pLimit from 'p-limit'
import { loadConfig } from '../config.ts'

const SAMPLE = path.join(import.meta.dirname, '../data-samples/booker-winners.csv')
const COLUMNS = ['prize_year', 'name', 'book', 'country', 'booker_prize', 'birth_year', 'death_year'] as const
const AT_ONCE = 8
const MAX_TRIES = 5
const LONGEST_WAIT_SECONDS = 30
const PROGRESS_EVERY_MS = 100
const CLEAR_LINE = process.stdout.isTTY ? '\r\x1b[2K' : ''

type Cells = Record<(typeof COLUMNS)[number], string>
type Outcome = 'added' | 'there' | 'refused'

type Row = ReturnType<typeof readRows>[number]

interface Answer {
  status: number
  code?: string
  detail?: string
  errors?: { pointer: string; detail: string }[]
  access_token?: string
}

/** What ends the run; the message is one sentence that says why and what to do. */
class Failure extends Error {}

function readRows(file: string) {
  const bytes = readFile(file)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const options = { columns: checkHeader, info: true, skip_empty_lines: true }
    const records: { record: Cells; info: { lines: number } }[] = parse(text, options)
    if (records.length === 0) throw new Error('it has no rows')
    return records.map(({ record, info }) => ({ line: info.lines, author: toAuthor(record) }))
  } catch (error) {
    const reason = (error as Error).message
    throw new Failure(`${file} is not a CSV file with the columns ${COLUMNS.join(', ')}: ${reason}.`)
  }
}

function checkHeader(header: string[]): string[] {
  const missing = COLUMNS.filter((name) => !header.includes(name))
  if (missing.length > 0) throw new Error(`it lacks ${missing.join(', ')}`)
  return header
}

function readFile(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Failure(code === 'ENOENT' ? `There is no file ${file}.` : `${file} cannot be read (${code}).`)
  }
}

/** A cell that is no number or boolean stays text, so that the service says what is wrong with it. */
function toAuthor({ prize_year, name, book, country, booker_prize, birth_year, death_year }: Cells) {
  return {
    name: name || null,
    book: book || null,
    country: country || null,
    booker_prize: /^(true|false)$/.test(booker_prize) ? booker_prize === 'true' : booker_prize || null,
    birth_year: toYear(birth_year),
    death_year: toYear(death_year),
    note: prize_year ? `Booker Prize ${prize_year}` : null
  }
}

function toYear(cell: string): number | string | null {
  return /^-?\d+$/.test(cell) ? Number(cell) : cell || null
}

/** POSTs, and again after `Retry-After` while the service asks for patience. Throws `Failure` when nothing answers. */
async function post(url: string, headers: object, content?: unknown, attempt = 1): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, ...(content !== undefined && { 'content-type': 'application/json' }) },
    body: content === undefined ? null : JSON.stringify(content)
  }).catch(({ message, cause }) => {
    throw new Failure(
      `Nothing answers at ${url} (${cause?.code ?? message}): start the service with "npm start" and run this again.`
    )
  })
  const answer = (await response.json().catch(() => ({}))) as Answer
  const { status } = response
  if (![429, 503].includes(status) || attempt === MAX_TRIES) return { ...answer, status }
  const wait = Number(response.headers.get('retry-after')) || 1
  await sleep(Math.min(wait, LONGEST_WAIT_SECONDS) * 1000)
  return post(url, headers, content, attempt + 1)
}

async function registerAccount(url: string) {
  const username = `librarian-${randomBytes(3).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  const answer = await post(`${url}/register`, {}, { username, password })
  if (answer.code === 'REGISTRATION_CLOSED') {
    throw new Failure(
      `Registration is closed at ${url}: set LIBRARY_USERNAME and LIBRARY_PASSWORD to those of an account.`
    )
  }
  if (answer.status !== 201) throw new Failure(`${url} registered nobody: ${describe(answer)}`)
  console.log(`Registered ${username} with the password ${password}`)
  return { username, password }
}

async function logIn(url: string, username: string, password: string) {
  const credentials = Buffer.from(`${username}:${password}`).toString('base64')
  const answer = await post(`${url}/login`, { authorization: `Basic ${credentials}` })
  if (answer.code === 'INVALID_CREDENTIALS') {
    throw new Failure(
      `${url} has no account "${username}" with this password: check LIBRARY_USERNAME and LIBRARY_PASSWORD.`
    )
  }
  if (answer.status !== 200) throw new Failure(`${url} logged nobody in: ${describe(answer)}`)
  return { authorization: `Bearer ${answer.access_token}` }
}

async function authorize(url: string) {
  const { LIBRARY_USERNAME: username = '', LIBRARY_PASSWORD: password = '' } = process.env
  if (!username !== !password)
    throw new Failure('Set both LIBRARY_USERNAME and LIBRARY_PASSWORD, or neither.')
  const account = username ? { username, password } : await registerAccount(url)
  return logIn(url, account.username, account.password)
}

function describe({ status, detail, errors = [] }: Answer): string {
  const places = errors.map((error) => `${error.pointer} ${error.detail}`)
  return [detail ?? `it answered ${status}, so it may not be a Library API.`, ...places].join(' ')
}

async function load(url: string, rows: Row[]): Promise<Record<Outcome, number>> {
  const headers = await authorize(url)
  const counts = { added: 0, there: 0, refused: 0 }
  const showProgress = progressLine(rows.length)
  await pLimit(AT_ONCE).map(rows, async ({ line, author }) => {
    const answer = await post(`${url}/authors`, headers, author)
    const outcome = outcomeOf(answer)
    counts[outcome] += 1
    if (outcome === 'refused') console.error(`${CLEAR_LINE}line ${line}: ${describe(answer)}`)
    showProgress(counts.added + counts.there + counts.refused)
  })
  return counts
}

function outcomeOf({ status, code }: Answer): Outcome {
  if (status === 201) return 'added'
  return code === 'AUTHOR_EXISTS' ? 'there' : 'refused'
}

/** Rewrites one line in place; where nobody watches it stays silent. */
function progressLine(total: number): (done: number) => void {
  if (!process.stdout.isTTY) return () => {}
  const began = performance.now()
  let shown = began
  return (done) => {
    if (done < total && performance.now() - shown < PROGRESS_EVERY_MS) return
    shown = performance.now()
    const rate = Math.round(done / ((shown - began) / 1000))
    process.stdout.write(`${CLEAR_LINE}${done}/${total} rows, ${rate} rows/s${done === total ? '\n' : ''}`)
  }
}

function defaultUrl(): string {
  const { HOST, PORT } = loadConfig(process.env, { dotenv: true })
  const host = HOST.replace(/^0\.0\.0\.0$/, '127.0.0.1').replace(/^::$/, '::1')
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT}`
}

function readArguments() {
  try {
    const options = { url: { type: 'string' } } as const
    const { values, positionals } = parseArgs({ options, allowPositionals: true })
    if (positionals.length > 1) throw new TypeError('One file at a time.')
    const url = new URL(values.url ?? defaultUrl()).href.replace(/\/+$/, '')
    return { file: positionals[0] ?? SAMPLE, url }
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: npm run seed [-- FILE] [--url URL]`)
    process.exit(2)
  }
}

try {
  const { file, url } = readArguments()
  const { added, there, refused } = await load(url, readRows(file))
  const authors = added === 1 ? 'author' : 'authors'
  console.log(`${added} ${authors} added, ${there} already there, ${refused} refused. See ${url}/docs`)
  process.exitCode = refused > 0 ? 1 : 0
} catch (error) {
  console.error(error instanceof Failure ? error.message : error)
  process.exit(1)
}
