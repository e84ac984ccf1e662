/**
 * `npm run wirerecord -- FOLDER FILE`: starts the service that lies in the folder (a checkout with its packages) on a new database, which
 * may be on the server that DATABASE_URL names,
 * runs a fixed series of requests that uses every operation, and writes down all that was answered, byte for byte but for what
 * cannot be the same twice. Two recordings of the same service are equal.
 * `npm run wirerecord -- --compare BEFORE AFTER` shows where two recordings differ, and exits with 1 when they do.
 */
import { execFile } from 'node:child_process'
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import { helpIfAsked, readCommandLine } from './command-line/read.ts'
import { type Place, placeIn, settingsOf, startOnNew } from './crash/place.ts'
import { type Document, wholeDocument } from './fuzz/document.ts'
import { startService } from './service-process.ts'
import { accounts, limits } from './wire/acts/accounts.ts'
import { authors } from './wire/acts/authors.ts'
import { files } from './wire/acts/files.ts'
import { history } from './wire/acts/history.ts'
import { leaving } from './wire/acts/leaving.ts'
import { lists } from './wire/acts/lists.ts'
import { SETTINGS, secondLife } from './wire/acts/second-life.ts'
import { service as ofService } from './wire/acts/service.ts'
import { sweep } from './wire/acts/sweep.ts'
import { differencesOf } from './wire/comparing.ts'
import { Recorder } from './wire/recorder.ts'
import { type Person, type Stage, signUp } from './wire/stage.ts'

const ACTS = { service: ofService, sweep, accounts, authors, files, lists, history, leaving, limits }
type ActName = keyof typeof ACTS

/** Longer than the whole series takes. */
const FIRST_SETTINGS = { ACCESS_TOKEN_TTL: '86400' }

export interface Recording {
  /** Where the service lies. */
  folder: string
  place: Place
  write: (text: string) => void
  /** By default all. */
  acts?: ActName[]
}

/** Records everything; gives the number of requests, and what the document promises but was never answered. */
export async function record({ folder, place, write, acts }: Recording) {
  const { databaseUrl } = place
  const file = path.resolve(folder, 'server.js')
  let service = await startOnNew(place, FIRST_SETTINGS, file)
  const wire = new Recorder(service.url, write)
  try {
    const document = wholeDocument((await wire.send('GET /openapi.json', {}, { exact: true })).json)
    wire.expect(document)
    const stage = await gather(wire, document, operatorOf(wire, folder, databaseUrl))
    for (const name of acts ?? (Object.keys(ACTS) as ActName[])) await ACTS[name](stage)
    await service.end('SIGTERM')
    service = await startService(databaseUrl, { ...SETTINGS, ...settingsOf(place) }, file)
    wire.moveTo(service.url)
    await secondLife(stage)
    return { steps: wire.steps, missing: wire.missing(document) }
  } finally {
    wire.close()
    await service.end('SIGTERM')
  }
}

async function gather(wire: Recorder, document: Document, operator: Stage['operator']): Promise<Stage> {
  const cast: Partial<Record<string, Person>> = {}
  for (const username of ['anna', 'boris', 'chen', 'dora']) cast[username] = await signUp(wire, username)
  const stage = { wire, document, operator, cast } as Stage
  await operator('promote', 'anna')
  const json = { role: 'reader' }
  await wire.send(`PATCH /users/${stage.cast.chen.id}`, { as: stage.cast.anna.token, json })
  return stage
}

function operatorOf(wire: Recorder, folder: string, databaseUrl: string): Stage['operator'] {
  const env = { ...process.env, DATABASE_URL: databaseUrl, LOG_LEVEL: 'error' }
  const script = path.resolve(folder, 'scripts/user.ts')
  return (...words) =>
    wire.note(`npm run user -- ${words.join(' ')}`, async () => {
      const run = promisify(execFile)(process.execPath, [script, ...words], { env })
      const { stdout, stderr } = await run.catch((error) => error)
      return stdout + stderr
    })
}

const USAGE = 'usage: npm run wirerecord -- FOLDER FILE, or npm run wirerecord -- --compare BEFORE AFTER'

async function main(): Promise<number> {
  helpIfAsked(USAGE)
  const { values, positionals } = readCommandLine({
    begin: 'npm run wirerecord --',
    options: { compare: { type: 'boolean', default: false } },
    words: 2
  })
  const [first, second] = positionals
  if (first === undefined || second === undefined) throw new Error(USAGE)
  return values.compare ? showDifferences(first, second) : recordTo(first, second)
}

function showDifferences(before: string, after: string): number {
  const differences = differencesOf(readFileSync(before, 'utf8'), readFileSync(after, 'utf8'))
  console.log(differences.length === 0 ? 'The recordings are equal.' : differences.join('\n\n'))
  return differences.length === 0 ? 0 : 1
}

async function recordTo(folder: string, file: string): Promise<number> {
  const databaseFolder = mkdtempSync(path.join(tmpdir(), 'library-wire-'))
  const output = createWriteStream(file)
  try {
    const place = placeIn(databaseFolder)
    const { steps, missing } = await record({ folder, place, write: (text) => output.write(text) })
    output.end()
    await finished(output)
    for (const promise of missing) console.error(`never answered: ${promise}`)
    console.log(`${steps} steps in ${file}`)
    return missing.length === 0 ? 0 : 1
  } finally {
    rmSync(databaseFolder, { recursive: true })
  }
}

if (import.meta.main) {
  process.exitCode = await main().catch(({ message }) => {
    console.error(message)
    return 1
  })
}
