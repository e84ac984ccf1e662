/** What is asked of the service, and of those that it is compared with. */
import { randomInt } from 'node:crypto'
import pLimit from 'p-limit'
import { wordsOf } from '../db/text.ts'
import type { Fixture } from './fixture.ts'
import { inventAuthors, WORDS } from './generate-authors.ts'
import { ask, type Request, UNIQUE } from './requests.ts'

/** So many requests stand ready for wrk at most, which draws from them. */
const PREPARED = 20_000
const CONNECTIONS = 64
const PAGES = 2500
const SEARCHED_AUTHORS = 2000
const ETAGS = 2000
const JSON_TYPE = { 'content-type': 'application/json' }
const PATCH_TYPE = { 'content-type': 'application/merge-patch+json' }

/** A server, and what is known of its data. */
export interface Context extends Fixture {
  url: string
}

export type EngineName = 'sqlite' | 'postgres'

export type Rival = 'raw' | 'plain' | 'commit' | 'sqlite'

export interface Scenario {
  name: string
  title: string
  connections: number
  /** Who else is asked the same. */
  rivals: Rival[]
  /** So many times a rival's requests per second must be reached. */
  targets: Partial<Record<Rival, number>>
  requests(context: Context): Promise<Request[]> | Request[]
}

export const SCENARIOS: Scenario[] = [
  scenario('one-author', 'one author', oneAuthor, { raw: 0.5, plain: 3 }, ['raw', 'plain']),
  scenario('first-page', 'first page of 20', firstPage, { raw: 0.6, plain: 5 }, ['raw', 'plain']),
  scenario('deep-page', 'deep pages of 20', deepPages(''), { raw: 0.25 }),
  scenario('deep-by-name', 'deep pages of 20, by name', deepPages('&sort=name'), { raw: 0.35 }),
  scenario('search', 'search, a page of 20', searches, {}),
  scenario('not-modified', 'one author, 304', notModified, { raw: 0.6 }),
  scenario('create', 'create', create, { raw: 0.2, plain: 4, commit: 4 }, ['raw', 'plain', 'commit']),
  scenario('update', 'update', update, {}),
  scenario('mix', '90 % reads, 10 % writes', mix, {}),
  { ...scenario('login', 'login', logIn, {}, []), connections: 4 }
]

/** What is asked for on PostgreSQL, beside the raw server. */
const ON_POSTGRES: Record<string, number> = { 'one-author': 0.35, 'first-page': 0.35, create: 0.08 }

/** The same on an engine: on PostgreSQL the service is compared with itself on SQLite. */
export function scenariosOn(engine: EngineName): Scenario[] {
  if (engine === 'sqlite') return SCENARIOS
  return SCENARIOS.map((scenario) => {
    const target = ON_POSTGRES[scenario.name]
    return {
      ...scenario,
      rivals: [...scenario.rivals.filter((rival) => rival === 'raw'), 'sqlite'],
      targets: target === undefined ? {} : { raw: target }
    }
  })
}

export function scenarioOf(name: string): Scenario {
  return SCENARIOS.find((scenario) => scenario.name === name) as Scenario
}

function scenario(
  name: string,
  title: string,
  requests: Scenario['requests'],
  targets: Scenario['targets'],
  rivals: Rival[] = ['raw']
): Scenario {
  return { name, title, connections: CONNECTIONS, rivals, targets, requests }
}

function pick<T>(list: readonly T[]): T {
  return list[randomInt(list.length)] as T
}

function repeat<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}

/** No more than make sense for so many authors. */
function prepare<T>(ids: string[], make: () => T): T[] {
  return repeat(Math.min(PREPARED, 10 * ids.length), make)
}

function get(token: string, path: string): Request {
  return { method: 'GET', path, headers: { authorization: `Bearer ${token}` }, status: 200 }
}

export function oneAuthor({ ids, tokens }: Context): Request[] {
  return prepare(ids, () => get(pick(tokens), `/authors/${pick(ids)}`))
}

function firstPage({ ids, tokens }: Context): Request[] {
  return prepare(ids, () => get(pick(tokens), '/authors?limit=20'))
}

function deepPages(order: string): Scenario['requests'] {
  return async (context) => {
    const paths = await findPages(context, order)
    return prepare(context.ids, () => get(pick(context.tokens), pick(paths)))
  }
}

/** Pages of 20 that begin at so many places all over the list, found by following `next` from its start. */
async function findPages({ url, tokens: [token = ''], ids }: Context, order: string): Promise<string[]> {
  const limit = Math.max(1, Math.min(100, Math.floor(ids.length / PAGES)))
  const paths: string[] = []
  let path: string | null = `/authors?limit=${limit}${order}`
  while (path !== null) {
    paths.push(path.replace(/limit=\d+/, 'limit=20'))
    path = JSON.parse((await ask(url, get(token, path))).body).next ?? null
  }
  return paths
}

/** The words of some authors, each in proportion to how often it is in a name or a title, and those that are known to be hard. */
function searches({ ids, tokens }: Context): Request[] {
  const count = Math.min(ids.length, SEARCHED_AUTHORS)
  const words = [...inventAuthors(count)].map(({ name, book }) => pick(wordsOf(name, book)))
  const all = [...words, WORDS.rare, WORDS.mid, ...WORDS.common, ...WORDS.apart]
  return prepare(ids, () => get(pick(tokens), `/authors?limit=20&q=${encodeURIComponent(pick(all))}`))
}

async function notModified({ url, ids, tokens }: Context): Promise<Request[]> {
  const inTurn = pLimit(CONNECTIONS)
  const known = await inTurn.map(
    repeat(Math.min(ETAGS, ids.length), () => get(pick(tokens), `/authors/${pick(ids)}`)),
    async (request) => {
      const { headers } = await ask(url, request)
      const etag = headers[headers.findIndex((name) => name.toLowerCase() === 'etag') + 1] as string
      return { path: request.path, etag }
    }
  )
  return prepare(ids, () => {
    const { path, etag } = pick(known)
    const { headers, ...request } = get(pick(tokens), path)
    return { ...request, headers: { ...headers, 'if-none-match': etag }, status: 304 }
  })
}

function create({ ids, tokens }: Context): Request[] {
  return prepare(ids, () => newAuthor(pick(tokens)))
}

export function newAuthor(token: string): Request {
  return {
    method: 'POST',
    path: '/authors',
    headers: { ...JSON_TYPE, authorization: `Bearer ${token}`, 'idempotency-key': `bench-${UNIQUE}` },
    body: JSON.stringify({
      name: `Salman Rushdie ${UNIQUE}`,
      book: "Midnight's Children",
      country: 'India',
      booker_prize: true,
      birth_year: 1947
    }),
    status: 201
  }
}

function update({ ids, ownerToken }: Context): Request[] {
  return prepare(ids, () => newNote(ownerToken, pick(ids)))
}

function newNote(token: string, id: string): Request {
  return {
    method: 'PATCH',
    path: `/authors/${id}`,
    headers: { ...PATCH_TYPE, authorization: `Bearer ${token}` },
    body: JSON.stringify({ note: `Changed for the ${UNIQUE}th time` }),
    status: 200
  }
}

async function mix(context: Context): Promise<Request[]> {
  const [ones, firsts, deeps] = [oneAuthor(context), firstPage(context), await deepPages('')(context)]
  const [news, changes] = [create(context), update(context)]
  return prepare(context.ids, () => {
    const chance = randomInt(100)
    if (chance < 60) return pick(ones)
    if (chance < 75) return pick(firsts)
    if (chance < 90) return pick(deeps)
    return pick(chance < 95 ? news : changes)
  })
}

function logIn({ accounts }: Context): Request[] {
  return accounts.map((account) => ({
    method: 'POST',
    path: '/login',
    headers: { authorization: `Basic ${account}` },
    status: 200
  }))
}
