/** What the service has given so far, which later requests name again. */
import { randomUUID } from 'node:crypto'
import { uuidv7 } from 'uuidv7'
import { codeExpiry, upsertPasswordReset } from '../../db/password-resets.ts'
import type { Db } from '../../db/tables.ts'
import { findCredentials, insertUser, type Role, updateUser } from '../../db/users.ts'
import type { Answer, Client, Sent } from './client.ts'

/** A user in whose name requests are sent. */
interface Persona {
  role: Role
  id: string
  username: string
  /** The credentials by their names: `token`, `read` and `write`. */
  bearers: Record<string, string>
}

const PASSWORD = 'the moors last sigh'
const CODE = 'k7wq-3mzp-x9vd-t2hc'
const ROLES: Role[] = ['reader', 'editor', 'admin']
const MOST_KEPT = 40
const LOGIN_TRIES = 5
/** What is given here can be used again; other answers only look so, as the examples of the document do. */
const GIVING = /^\/(?:(?:me\/)?(authors|users|keys|sessions|changes)|me|login|register|refresh)\b/
const JSON_TYPE: [string, string] = ['content-type', 'application/json']

/** Pools of what was given, and the personas. A placeholder such as `{{author:3}}` stands for one of a pool. */
export class State {
  readonly #client: Client
  readonly #db: Db
  readonly #pools = new Map<string, string[]>()
  readonly #personas = new Map<Role, Persona>()
  /** By their paths. */
  readonly #etags = new Map<string, string>()
  /** Every bearer token and every pair for HTTP Basic that was ever good. */
  readonly #credentials = new Set<string>()
  #passwordHash = ''

  private constructor(client: Client, db: Db) {
    this.#client = client
    this.#db = db
  }

  static async begin(client: Client, db: Db): Promise<State> {
    const state = new State(client, db)
    const username = `first-${randomUUID()}`
    await state.#post('/register', [JSON_TYPE], { username, password: PASSWORD })
    state.#passwordHash = (await findCredentials(db, username))?.password_hash as string
    for (const role of ROLES) await state.#revive(role)
    for (const [pool, values] of Object.entries(CONSTANTS)) state.#pools.set(pool, values)
    return state
  }

  /** The text with what the placeholders stand for, each put through `encode`. */
  fill(text: string, encode: (value: string) => string = String): string {
    return text.replace(/{{(\w+):(\d+)}}/g, (_match, pool, number) => {
      const values = this.#pools.get(pool) ?? ['none']
      return encode(values[Number(number) % values.length] as string)
    })
  }

  /** The newest ETag of what is at the path. */
  etagAt(path: string): string {
    return this.#etags.get(path) ?? '"none"'
  }

  /** Whether the Authorization header has what the service gave, or took, at some time. */
  knows(authorization: string): boolean {
    const [, scheme = '', credentials = ''] = /^(\w+) +(\S+) *$/.exec(authorization) ?? []
    return this.#credentials.has(`${scheme.toLowerCase()} ${credentials}`)
  }

  /** Takes out of an answer what can be used again, and brings back a persona that is no more. */
  async learn(sent: Sent, { status, headers, mediaType, text }: Answer): Promise<void> {
    const path = sent.target.split('?', 1)[0] as string
    if (status < 300 && GIVING.test(path) && mediaType === 'application/json' && text !== '') {
      this.#learnFrom(JSON.parse(text), path)
    }
    if (headers.etag !== undefined) this.#etags.set(headers.location ?? path, headers.etag)
    if (path === '/register' && status === 201) this.#learnLogin(JSON.parse(String(sent.body)))
    if (text.includes('"INVALID_TOKEN"') || (path.startsWith('/users/') && status < 300)) {
      for (const role of ROLES) await this.#refresh(role)
    }
  }

  #learnFrom(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null) return
    const { id, slug, next, access_token, refresh_token, key } = value as Record<string, unknown>
    const kind = GIVING.exec(path)?.[1] ?? 'users'
    if (typeof id === 'string') this.#keep(kind, id)
    if (typeof slug === 'string') this.#keep('authors', slug)
    if (typeof next === 'string')
      this.#keep('cursors', new URLSearchParams(next.split('?')[1]).get('cursor') ?? '')
    if (typeof refresh_token === 'string') this.#keep('refresh', refresh_token)
    for (const token of [access_token, key]) if (typeof token === 'string') this.#learnBearer(token)
    for (const inner of Object.values(value).flat()) this.#learnFrom(inner, path)
  }

  #learnBearer(token: string): void {
    this.#keep('spare', token)
    this.#credentials.add(`bearer ${token}`)
  }

  #learnLogin({ username, password }: { username: string; password: string }): void {
    this.#credentials.add(`basic ${Buffer.from(`${username}:${password}`).toString('base64')}`)
  }

  #keep(pool: string, value: string): void {
    const kept = this.#pools.get(pool) ?? []
    if (!kept.includes(value)) this.#pools.set(pool, [...kept, value].slice(-MOST_KEPT))
  }

  /** The persona in its role again; a new one, if its session or its keys have ended. */
  async #refresh(role: Role): Promise<void> {
    const { id, bearers } = this.#personas.get(role) as Persona
    const isThere =
      (await updateUser(this.#db, id, { role, disabledAt: null }).catch(() => undefined)) !== undefined
    const answers = isThere
      ? await Promise.all(Object.values(bearers).map((token) => this.#get('/me', token)))
      : []
    if (!isThere || answers.some(({ status }) => status !== 200)) await this.#revive(role)
  }

  async #revive(role: Role): Promise<void> {
    const username = `${role}-${randomUUID()}`
    const { id } = await insertUser(this.#db, {
      id: uuidv7(),
      at: new Date().toISOString(),
      username,
      passwordHash: this.#passwordHash
    })
    await updateUser(this.#db, id, { role })
    await upsertPasswordReset(this.#db, id, CODE, codeExpiry(new Date().toISOString()))
    const pair = Buffer.from(`${username}:${PASSWORD}`).toString('base64')
    const token = await this.#logIn(pair)
    const authorization: [string, string] = ['authorization', `Bearer ${token}`]
    const createKey = async (scope: string) =>
      (await this.#post('/me/keys', [JSON_TYPE, authorization], { name: scope, scope })).key as string
    const bearers = { token, read: await createKey('read'), write: await createKey('write') }
    this.#personas.set(role, { role, id, username, bearers })
    this.#learnLogin({ username, password: PASSWORD })
    for (const [name, bearer] of Object.entries(bearers)) {
      this.#credentials.add(`bearer ${bearer}`)
      this.#pools.set(`${role}_${name}`, [bearer])
    }
    this.#keep('users', id)
    this.#keep('usernames', username)
    this.#keep('basic', pair)
  }

  /** While a commit of its own is on its way to the disk, the service does not see a user that this process has just made. */
  async #logIn(pair: string): Promise<string> {
    for (let tries = 1; ; tries++) {
      try {
        return (await this.#post('/login', [['authorization', `Basic ${pair}`]])).access_token
      } catch (error) {
        if (tries === LOGIN_TRIES) throw error
      }
    }
  }

  #get(target: string, token: string): Promise<Answer> {
    return this.#client.send({
      method: 'GET',
      target,
      headers: [['authorization', `Bearer ${token}`]],
      isChunked: false
    })
  }

  // biome-ignore lint/suspicious/noExplicitAny: read as JSON
  async #post(target: string, headers: [string, string][], json?: object): Promise<any> {
    const body = json && Buffer.from(JSON.stringify(json))
    const { status, text } = await this.#client.send({
      method: 'POST',
      target,
      headers,
      isChunked: false,
      ...(body && { body })
    })
    if (status >= 300) throw new Error(`POST ${target} answered ${status}: ${text}`)
    return JSON.parse(text)
  }
}

const CONSTANTS = {
  problems: ['author-not-found', 'validation-failed', 'not-owner'],
  idempotency: ['one', '"two"', 'three', '4e6a', '~'],
  passwords: [PASSWORD],
  codes: [CODE]
}
