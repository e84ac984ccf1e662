/** `npm run racetest -- RACES KIND`: two instances on the database that DATABASE_URL names, each race wins exactly one. Use a database of its own. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { helpIfAsked } from './command-line/read.ts'
import type { Change } from './crash/life.ts'
import { type Call, type Client, MOST_ON_PAGE, readAll } from './crash/requests.ts'
import {
  adminRace,
  headersOf,
  type Racer,
  raceForUsername,
  refreshRace,
  register
} from './races/account-races.ts'
import { raceForAuthor, raceForImport, raceForKey, raceForName } from './races/author-races.ts'
import { type Cheat, type Pair, Rivals } from './races/rivals.ts'
import { startService } from './service-process.ts'

const VARIABLES = {
  ACCESS_TOKEN_TTL: '86400',
  TRUST_PROXY: 'loopback',
  RATE_LIMIT: 'off',
  LOG_LEVEL: 'fatal'
}
const KINDS = [
  'author',
  'name',
  'refresh token',
  'idempotency key',
  'last admin',
  'import',
  'username'
] as const
type Kind = (typeof KINDS)[number]
const USAGE = `usage: npm run racetest -- RACES [KIND]
  so many of each kind, or of one, on the database of its own that DATABASE_URL names
  KIND: ${KINDS.join(', ')}`

export interface RaceTest {
  databaseUrl: string
  /** How many of each kind. */
  races: number
  /** By default all. */
  kinds?: readonly Kind[]
  log: (line: string) => void
  /** Does the same once more, with something between clients and instances, to prove that it would be noticed. */
  cheat?: Cheat
}

/** Runs them; gives what was wrong in which kind of race, and what it was with the cheat. */
export async function racetest({ databaseUrl, races, kinds: names = KINDS, log, cheat }: RaceTest) {
  // The first one makes the tables.
  const first = await startService(databaseUrl, VARIABLES)
  const second = await startService(databaseUrl, VARIABLES)
  try {
    const rivals = await rivalsOf([first.url, second.url])
    const all = await racesOf(rivals, databaseUrl)
    const kinds = names.map((name): [Kind, Race] => [name, all[name]])
    const faults = await runAll(kinds, races, log)
    faults.push(...(await whyNoFeed(rivals)))
    if (cheat === undefined) return { faults, seen: [] }
    rivals.cheat = cheat
    return { faults, seen: await runAll(kinds, 1, () => {}) }
  } finally {
    await Promise.all([first.end('SIGKILL'), second.end('SIGKILL')])
  }
}

type Race = () => Promise<string | undefined>

async function runAll(kinds: [Kind, Race][], races: number, log: RaceTest['log']): Promise<string[]> {
  const faults: string[] = []
  for (const [name, race] of kinds) {
    const found = await run(race, races)
    log(`${name}: ${races} races, ${found.length} wrong`)
    faults.push(...found.map((fault) => `${name}: ${fault}`))
  }
  return faults
}

async function run(race: Race, races: number): Promise<string[]> {
  const faults: string[] = []
  for (let count = 0; count < races; count++) {
    const fault = await race()
    if (fault !== undefined) faults.push(fault)
  }
  return faults
}

async function rivalsOf(urls: Pair<string>): Promise<Rivals> {
  const stranger = new Rivals(urls, {})
  const editor = await register(stranger)
  return new Rivals(urls, await headersOf(stranger, editor))
}

async function racesOf(rivals: Rivals, databaseUrl: string): Promise<Record<Kind, Race>> {
  const admins: Pair<Racer> = [await register(rivals), await register(rivals)]
  const [one, other] = admins
  await promote(databaseUrl, one.username)
  const headers: Pair<Client['headers']> = [await headersOf(rivals, one), await headersOf(rivals, other)]
  const promoting: Call = { method: 'PATCH', path: `/users/${other.id}`, body: { role: 'admin' } }
  await rivals.ask(0, promoting, headers[0])
  return {
    author: () => raceForAuthor(rivals),
    name: () => raceForName(rivals),
    'refresh token': await refreshRace(rivals, await register(rivals)),
    'idempotency key': () => raceForKey(rivals),
    'last admin': adminRace(rivals, admins, headers),
    import: () => raceForImport(rivals),
    username: () => raceForUsername(rivals)
  }
}

async function promote(databaseUrl: string, username: string): Promise<void> {
  const script = path.join(import.meta.dirname, 'user.ts')
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  await promisify(execFile)(process.execPath, [script, 'promote', username], { env })
}

/** Unless both instances have the same whole feed. */
async function whyNoFeed({ clients: [one, other] }: Rivals): Promise<string[]> {
  const [feed, same] = [await feedOf(one), await feedOf(other)]
  const isWhole = feed.every((change, index) => change.startsWith(`{"sequence":${index + 1},`))
  const isSame = feed.length === same.length && feed.every((change, index) => change === same[index])
  return isWhole && isSame ? [] : ['the feed is not whole, or not the same on both instances']
}

async function feedOf(client: Client): Promise<string[]> {
  const changes: string[] = []
  for await (const change of readAll<Change>(client, `/changes?since=0&limit=${MOST_ON_PAGE}`))
    changes.push(JSON.stringify(change))
  return changes
}

async function main(races: number, kind: string, databaseUrl = ''): Promise<void> {
  const kinds = KINDS.filter((name) => kind === '' || name === kind)
  if (!Number.isInteger(races) || races < 1 || kinds.length === 0 || databaseUrl === '')
    throw new Error(USAGE)
  const { faults } = await racetest({ databaseUrl, races, kinds, log: console.log })
  for (const fault of faults.slice(0, 20)) console.log(fault)
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  const [races = 100, ...kind] = process.argv.slice(2)
  await main(Number(races), kind.join(' '), process.env.DATABASE_URL).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
