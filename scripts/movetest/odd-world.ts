/** A service with something odd in each of its tables. */
import type { FastifyInstance } from 'fastify'
import { ndjsonOf } from '../../bench/generate-authors.ts'
import type { CallerCredential } from '../../db/command.ts'
import { deleteUser } from '../../db/commands/account-deletions.ts'
import { trimHistories } from '../../db/commands/history.ts'
import { createPasswordReset } from '../../db/commands/password-resets.ts'
import { changeUser } from '../../db/commands/users.ts'
import { codeExpiry } from '../../db/password-resets.ts'

export const PASSWORD = 'a lighthouse keeper counts'
export const RETRIED = { name: 'Retried Once', book: 'The Same Answer', note: 'é'.repeat(30) }
export const RETRY_KEY = 'retry-"me"-once~!'

export interface OddWorld {
  /** What shows who somebody is. */
  headers: { authorization: string }
  refreshToken: string
  apiKey: string
  resetCode: string
  /** Of the user whose deletion is under way. */
  leavingId: string
  /** Of authors: one with a long history, one that is deleted. */
  edited: string
  deleted: string
}

const ODD_AUTHORS = [
  { name: 'Long Note', note: '𝒜\t"\\\n'.repeat(800) },
  { name: 'Homer', book: 'Ἰλιάς', birth_year: -800, death_year: -701, country: 'Ἑλλάς' },
  { name: "O'Brien d’Arc", book: 'null', sort_name: 'Arc, d’', identifiers: { wikidata: 'Q42' } },
  { name: `${'x'.repeat(99)} ${'ß'.repeat(99)}`, book: 'ﬁn'.repeat(60), country: 'Côte d’Ivoire (R.C.I.)' },
  { name: 'نجيب محفوظ', book: 'ثلاثية القاهرة', booker_prize: true, birth_year: 1911 },
  { name: "O'Brien D’Arc", book: '[object Object]', identifiers: { wikidata: 'Q42', isni: null } },
  { name: '村上 春樹', book: '%_\'"; --', country: 'NULL', birth_year: 2100 }
]

/** Fills a service that is empty, and has so many authors beside the odd ones. */
export async function fillOddly(service: FastifyInstance, authors: number): Promise<OddWorld> {
  const caller = new Caller(service)
  const admin = await caller.signIn('Ada.Lovelace')
  await service.run('service', changeUser, { userId: admin.id, role: 'admin' })
  const { headers } = await caller.logIn('Ada.Lovelace')
  const odd = await createOddly(caller, headers)
  await caller.call('POST', '/authors/import', {
    headers: { ...headers, 'content-type': 'application/x-ndjson' },
    payload: [...ndjsonOf(authors)].join('')
  })
  const people = await peopleOf(service, caller, headers)
  const { key: apiKey } = await caller.call('POST', '/me/keys', {
    headers,
    payload: { name: 'übrig', scope: 'write' }
  })
  const { refresh_token: refreshToken } = await caller.logIn('Ada.Lovelace')
  return { headers, refreshToken, apiKey, ...people, ...odd }
}

async function createOddly(caller: Caller, headers: OddWorld['headers']) {
  const ids: string[] = []
  for (const payload of ODD_AUTHORS)
    ids.push((await caller.call('POST', '/authors', { headers, payload })).id)
  const [edited, deleted, restored] = ids as [string, string, string]
  const patch = (payload: object, id = edited) =>
    caller.call('PATCH', `/authors/${id}`, { headers: { ...headers, 'if-match': '*' }, payload })
  const remove = (id: string) =>
    caller.call('DELETE', `/authors/${id}`, { headers: { ...headers, 'if-match': '*' } })
  for (let round = 0; round < 30; round += 1)
    await patch({ birth_year: -3000 + round, note: 'n'.repeat(round * 100) })
  for (const id of [deleted, restored]) await remove(id)
  await caller.call('POST', `/authors/${restored}/restore`, { headers })
  // It gets the address of the one that is deleted.
  await caller.call('POST', '/authors', { headers, payload: ODD_AUTHORS[1] as object })
  await caller.call('POST', '/authors', {
    headers: { ...headers, 'idempotency-key': RETRY_KEY },
    payload: RETRIED
  })
  await letGo(caller, headers)
  return { edited, deleted }
}

/** Authors whose past is gone: all but the last changes, what one was before it was deleted, and all. */
async function letGo(caller: Caller, headers: OddWorld['headers']) {
  const ids: string[] = []
  for (const book of ['Trimmed', 'Trimmed and Deleted', 'Erased']) {
    const { id } = await caller.call('POST', '/authors', { headers, payload: { name: 'Lethe', book } })
    for (let round = 0; round < 8; round += 1)
      await caller.call('PATCH', `/authors/${id}`, { headers, payload: { note: `round ${round}` } })
    ids.push(id)
  }
  const [, deleted, erased] = ids as [string, string, string]
  const authors = await caller.numbersOf(ids)
  await caller.call('DELETE', `/authors/${deleted}`, { headers })
  await caller.trim(authors.slice(0, 1), 3)
  await caller.trim(authors.slice(1, 2), 0)
  await caller.call('DELETE', `/authors/${erased}?purge=true`, { headers })
}

/** Users who were disabled, are gone, are going, have failed to log in, or have a code. */
async function peopleOf(service: FastifyInstance, caller: Caller, headers: OddWorld['headers']) {
  const code = 'abcd-efgh-2345-6789-abcd-efgh-2345'
  const forgetful = await caller.signIn('zoë_forgetful')
  const expiresAt = codeExpiry(new Date().toISOString())
  await service.run('service', createPasswordReset, { userId: forgetful.id, code, expiresAt })
  await caller.call('POST', '/login', { headers: { authorization: basic('zoë_forgetful', 'wrong') } }, 401)
  const ended = await caller.signIn('logged-out')
  await caller.call('POST', '/logout', { headers: ended.headers })
  const leaving = await caller.signIn('Leaving')
  await service.run(credentialOf(headers), deleteUser, { userId: leaving.id })
  const disabled = await caller.signIn('disabled')
  await caller.call('PATCH', `/users/${disabled.id}`, { headers, payload: { disabled: true } })
  // The last of all numbers is that of a user who is gone.
  const gone = await caller.signIn('gone')
  await caller.call('POST', '/authors', { headers: gone.headers, payload: { name: 'Orphaned' } })
  await caller.call('DELETE', '/me', { headers: gone.headers, payload: { password: PASSWORD } })
  return { leavingId: leaving.id, resetCode: code }
}

/** Of who has an access token. */
function credentialOf({ authorization }: OddWorld['headers']): CallerCredential {
  const [, claims = ''] = authorization.split('.')
  const { sub, sid } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  return { id: sub, role: 'admin', sessionId: sid }
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

interface Request {
  headers: Record<string, string>
  payload?: object | string
}

class Caller {
  readonly #service: FastifyInstance

  constructor(service: FastifyInstance) {
    this.#service = service
  }

  async signIn(username: string) {
    const { id } = await this.call('POST', '/register', {
      headers: {},
      payload: { username, password: PASSWORD }
    })
    return { id: id as string, ...(await this.logIn(username)) }
  }

  async logIn(username: string) {
    const { access_token, refresh_token } = await this.call('POST', '/login', {
      headers: { authorization: basic(username, PASSWORD), 'user-agent': `odd/1 (${'µ'.repeat(200)})` }
    })
    return { headers: { authorization: `Bearer ${access_token}` }, refresh_token: refresh_token as string }
  }

  async numbersOf(ids: readonly string[]): Promise<number[]> {
    const rows = await this.#service.db
      .selectFrom('authors')
      .select('number')
      .where('id', 'in', ids)
      .orderBy('number')
      .execute()
    return rows.map(({ number }) => number)
  }

  /** As if a day had passed. */
  async trim(authors: number[], versions: number): Promise<void> {
    await this.#service.run('service', trimHistories, { authors, keep: { versions, days: -1 } })
  }

  /** The answer; throws when it is another than expected. */
  async call(method: 'POST' | 'PATCH' | 'DELETE', url: string, request: Request, expected?: number) {
    const answer = await this.#service.inject({ method, url, ...request })
    const isGood = expected === undefined ? answer.statusCode < 300 : answer.statusCode === expected
    if (!isGood) throw new Error(`${method} ${url} answered ${answer.statusCode}: ${answer.body}`)
    return answer.body === '' ? {} : answer.json()
  }
}
