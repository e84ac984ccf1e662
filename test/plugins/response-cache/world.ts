import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Kysely } from 'kysely'
import { etagOf } from '../../../db/authors/representation.ts'
import type { AuthorRecord } from '../../../db/authors/table.ts'
import { openSession } from '../../../db/commands/sessions.ts'
import { registerUser } from '../../../db/commands/users.ts'
import type { Tables } from '../../../db/tables.ts'
import type { Role } from '../../../db/users.ts'
import { unsoundnessOf } from '../../../scripts/crash/soundness.ts'
import {
  type Action,
  type ChangeUser,
  QUERIES,
  type ReadAuthor,
  type ReadPage,
  type WriteAuthor
} from './actions.ts'
import {
  authorNamed,
  type Change,
  type Moment,
  momentAfter,
  pageOf,
  positionIn,
  versionNamed
} from './oracle.ts'

interface User {
  id: string
  role: Role | 'changing'
  isNewcomer: boolean
  /** Is disabled or deleted, or about to be. */
  isLeaving: boolean
}

interface Session {
  id: string
  user: User
  token: string
  state: 'good' | 'ending' | 'ended'
}

type Who = Pick<Action, 'on' | 'session' | 'latency'>
type Answer = Awaited<ReturnType<FastifyInstance['inject']>>

/** Far enough for a database of a test; a session outlives it. */
const LATER = '2999-01-01T00:00:00.000Z'

const MOST_AUTHORS = 8

/** What all runs together came across. */
export const met = { authors: 0, unchanged: 0, pages: 0, refused: 0, absent: 0, written: 0, overlapped: 0 }

/** Some instances of the service on one database, and a connection that sees what is committed. */
export class World {
  readonly #servers: FastifyInstance[]
  readonly #other: Kysely<Tables>
  readonly #users: User[] = []
  readonly #sessions: Session[] = []
  /** One for each number of changes. */
  readonly #moments: Moment[] = [{ changes: [], authors: new Map() }]
  #admin!: Session
  #next = '/authors'
  #looks = Promise.resolve()

  static async open(servers: FastifyInstance[], other: Kysely<Tables>): Promise<World> {
    const world = new World(servers, other)
    await world.#look()
    world.#admin = await world.#logIn(await world.#addUser('admin'))
    for (let i = 0; i < 2; i++) world.#sessions.push(await world.#logIn(await world.#addUser('editor')))
    await world.#deleteAll()
    await world.#look()
    return world
  }

  private constructor(servers: FastifyInstance[], other: Kysely<Tables>) {
    this.#servers = servers
    this.#other = other
  }

  async act(action: Action): Promise<void> {
    await this.#look()
    if (action.do === 'readAuthor') return this.#readAuthor(action, action)
    if (action.do === 'readPage') return this.#readPage(action, action)
    if ('content' in action) return this.#writeAuthor(action, action)
    return this.#changeUser(action, action)
  }

  /** Once nothing is under way: every answer of all instances is that of the database as it is. */
  async checkAll(): Promise<void> {
    await this.#look()
    await this.#checkRecords()
    const reads = ([0, 1, 2] as const).flatMap((on) => [
      ...QUERIES.flatMap((query) =>
        [1, 2].map((session) =>
          this.#readPage({ on, session, latency: 0 }, { do: 'readPage', query, method: 'GET' })
        )
      ),
      ...this.#ids().flatMap((_, author) =>
        (['id', 'ID', 'slug', 'SLUG'] as const).map((by) => {
          const how = { version: 1, method: 'GET', hasIt: false } as const
          return this.#readAuthor(
            { on, session: author, latency: 0 },
            { do: 'readAuthor', author, by, ...how }
          )
        })
      )
    ])
    await Promise.all(reads)
  }

  /** What is stored as JSON is what the columns, the change log and the word index say, and the log still says what it said. */
  async #checkRecords(): Promise<void> {
    assert.deepEqual(await unsoundnessOf(this.#server.config.DATABASE_URL), [])
    const rows = await this.#other.selectFrom('authors').select(['id', 'record']).execute()
    const authors = new Map(rows.map(({ id, record }) => [id, JSON.parse(record)]))
    assert.deepEqual(authors, this.#now().authors)
    assert.deepEqual(await this.#changesAfter(0), this.#now().changes)
  }

  async #readAuthor(who: Who, { author, by, version, method, hasIt }: ReadAuthor): Promise<void> {
    const { id, slug } = this.#recordOf(author)
    const name = { id, ID: id.toUpperCase(), slug, SLUG: slug.toUpperCase(), version: slug }[by]
    const url = `/authors/${encodeURIComponent(name)}${by === 'version' ? `?version=${version}` : ''}`
    const current = authorNamed(this.#now(), name)
    const headers = hasIt && current !== undefined ? { 'if-none-match': etagOf(current) } : {}
    const expected = (moment: Moment) =>
      by === 'version' ? versionNamed(moment, name, version) : jsonOf(authorNamed(moment, name))
    await this.#read(who, { method, url, headers }, (answer, moment) => {
      const body = expected(moment)
      if (body === undefined) return answer.statusCode === 404
      const { etag, 'content-length': length } = answer.headers
      if (etag !== etagOf(JSON.parse(body))) return false
      if (answer.statusCode === 304) return headers['if-none-match'] === etag
      if (headers['if-none-match'] === etag) return false
      return method === 'HEAD' ? Number(length) === Buffer.byteLength(body) : answer.body === body
    })
    met.authors += 1
  }

  async #readPage(who: Who, { query, method }: ReadPage): Promise<void> {
    const newcomer = this.#users.findLast(({ isNewcomer }) => isNewcomer) ?? this.#users[0]
    const url = query === 'NEXT' ? this.#next : `/authors${query.replace('NEWCOMER', newcomer?.id ?? '')}`
    const parameters = new URL(url, 'http://localhost').searchParams
    const { id } = this.#sessionOf(who).user
    const totals = new Set<number | undefined>()
    await this.#read(who, { method, url }, (answer, moment) => {
      const page = pageOf(moment, parameters, id)
      if (answer.statusCode !== 200) return false
      const link = /<(.+)>; rel="next"/.exec(String(answer.headers.link))?.[1] ?? null
      if (method === 'HEAD') return isDeepEqual(positionOf(link), page.next)
      const { data, next, total } = answer.json()
      // The page and the total are two queries, each with a moment of its own.
      totals.add(page.total)
      this.#next = next ?? '/authors'
      return (
        next === link && isDeepEqual([data, positionOf(next)], [page.data, page.next]) && totals.has(total)
      )
    })
    met.pages += 1
  }

  /** The answer must be right for one of the moments between the request and the answer. */
  async #read(
    who: Who,
    request: InjectOptions,
    isRight: (answer: Answer, moment: Moment) => boolean
  ): Promise<void> {
    const session = this.#sessionOf(who)
    const before = session.state
    const begun = this.#now().changes.length
    const answer = await this.#inject(who, session, request)
    await this.#look()
    const ended = this.#now().changes.length
    if (before === 'ended') assert.equal(answer.statusCode, 401, 'the session had ended')
    if (answer.statusCode === 401) {
      met.refused += 1
      return assert.notEqual(session.state, 'good', 'the session is good')
    }
    const moments = this.#moments.slice(begun, ended + 1)
    if (moments.length > 1) met.overlapped += 1
    if (answer.statusCode === 304) met.unchanged += 1
    if (answer.statusCode === 404) met.absent += 1
    const message = `${request.method} ${request.url} on ${who.on}: ${answer.statusCode} ${answer.body}`
    // Twice, because what it notes of one moment may tell of another.
    const areRight = [...moments, ...moments].map((moment) => isRight(answer, moment))
    assert.ok(areRight.includes(true), message)
  }

  async #writeAuthor(who: Who, { do: command, author, content }: WriteAuthor): Promise<void> {
    const session = this.#sessionOf(who)
    const before = { ...session, role: session.user.role }
    const { id, owner_id } = this.#recordOf(author, command)
    const request = {
      create: { method: 'POST', url: '/authors', payload: content },
      replace: { method: 'PUT', url: `/authors/${id}`, payload: content },
      patch: {
        method: 'PATCH',
        url: `/authors/${id}`,
        payload: { country: content.country, birth_year: content.birth_year, sort_name: content.sort_name },
        headers: { 'content-type': 'application/merge-patch+json' }
      },
      delete: { method: 'DELETE', url: `/authors/${id}` },
      restore: { method: 'POST', url: `/authors/${id}/restore` }
    }[command] as InjectOptions
    const owner = this.#sessions.find(({ user, state }) => user.id === owner_id && state === 'good')
    // Mostly by somebody who may.
    const by = who.session % 4 === 0 || command === 'create' ? session : (owner ?? this.#admin)
    const { statusCode, body } = await this.#inject(who, by, request)
    assert.ok(statusCode < 500 && statusCode !== 400, body)
    if (statusCode < 300) met.written += 1
    if (by !== session) return
    if (before.state === 'ended') assert.equal(statusCode, 401)
    else if (before.role === 'reader' && session.user.role === 'reader')
      assert.ok([401, 403].includes(statusCode))
  }

  async #changeUser(who: Who, { do: command }: ChangeUser): Promise<void> {
    const session = this.#sessionOf(who)
    if (command === 'logIn') this.#sessions.push(await this.#logIn(this.#users[who.session % 2] as User))
    else if (command === 'logOut') {
      await this.#end([session], () => this.#inject(who, session, { method: 'POST', url: '/logout' }))
    } else if (command === 'endSession') await this.#end([session], () => this.#endSession(session))
    else if (command === 'newcomer') await this.#addNewcomer(who)
    else await this.#administer(who, command)
  }

  async #administer(who: Who, command: 'deleteUser' | 'disable' | 'changeRole'): Promise<void> {
    const candidates = this.#users.filter(({ isNewcomer }) => isNewcomer || command === 'changeRole')
    const user = candidates[who.session % candidates.length]
    if (user === undefined) return
    const url = `/users/${user.id}`
    const ended = this.#sessions.filter((one) => one.user === user)
    // Who logs in meanwhile may be let in before, and then is no longer.
    if (command !== 'changeRole') user.isLeaving = true
    const change = (payload: object) => this.#inject(who, this.#admin, { method: 'PATCH', url, payload })
    if (command === 'disable') await this.#end(ended, () => change({ disabled: true }))
    else if (command === 'deleteUser') {
      await this.#end(ended, () => this.#inject(who, this.#admin, { method: 'DELETE', url }))
    } else if (user.role !== 'changing') {
      const before = user.role
      const role = before === 'reader' ? 'editor' : 'reader'
      user.role = 'changing'
      const { statusCode } = await change({ role })
      user.role = statusCode === 200 ? role : before
    }
  }

  /** Ends sessions by `work`; they have ended once that is told. */
  async #end(sessions: Session[], work: () => Promise<unknown>): Promise<void> {
    for (const session of sessions) if (session.state === 'good') session.state = 'ending'
    await work()
    for (const session of sessions) session.state = 'ended'
  }

  /** By another process, of which the instances are told nothing. */
  async #endSession({ id }: Session): Promise<void> {
    const ended = { ended_at: new Date().toISOString(), end_reason: 'revoked' as const }
    await this.#other.updateTable('sessions').set(ended).where('id', '=', id).execute()
  }

  async #addNewcomer(who: Who): Promise<void> {
    const user = await this.#addUser('editor', true)
    const session = await this.#logIn(user)
    this.#sessions.push(session)
    for (const book of ['Alpha', 'Beta']) {
      const payload = { name: `Zo ${this.#users.length}`, book, country: 'India' }
      await this.#inject(who, session, { method: 'POST', url: '/authors', payload })
    }
  }

  async #addUser(role: Role, isNewcomer = false): Promise<User> {
    const username = `user${this.#users.length}-${process.hrtime.bigint()}`
    const { id } = await this.#server.run('service', registerUser, { username, passwordHash: 'x' })
    await this.#other.updateTable('users').set({ role }).where('id', '=', id).execute()
    const user = { id, role, isNewcomer, isLeaving: false }
    if (role !== 'admin') this.#users.push(user)
    return user
  }

  async #logIn(user: User): Promise<Session> {
    const [times, hashes] = [
      { idleExpiresAt: LATER, expiresAt: LATER },
      { familyHash: 'x', refreshHash: 'x' }
    ]
    const opened = { userId: user.id, passwordHash: 'x', userAgent: null, ...hashes, ...times }
    const opening = this.#server.run('service', openSession, opened).then(({ sessionId }) => sessionId)
    // The user may not log in any more.
    const id = await opening.catch(() => undefined)
    const token = this.#server.accessTokens.issue({ sub: user.id, sid: id ?? crypto.randomUUID() })
    const state = user.isLeaving ? 'ending' : 'good'
    return { id: id ?? '', user, token, state: id === undefined ? 'ended' : state }
  }

  async #inject({ on, latency }: Who, { token }: Session, request: InjectOptions): Promise<Answer> {
    // A request is read from its socket in the phase of the event loop in which this is told too.
    for (let i = 0; i <= latency; i++) await stat(import.meta.dirname)
    const headers = { ...request.headers, authorization: `Bearer ${token}` }
    return (this.#servers[on] as FastifyInstance).inject({ ...request, headers })
  }

  get #server() {
    return this.#servers[0] as FastifyInstance
  }

  #sessionOf({ session }: Who): Session {
    const good = this.#sessions.filter(({ state }) => state === 'good')
    const candidates = session % 5 === 0 || good.length === 0 ? this.#sessions : good
    return candidates[session % candidates.length] as Session
  }

  /** Of those that were changed last. */
  #ids(): string[] {
    const newestFirst = this.#now()
      .changes.map(({ author_id }) => author_id)
      .reverse()
    return [...new Set(newestFirst)].slice(0, MOST_AUTHORS)
  }

  /** That the slugs of runs before are free again. */
  async #deleteAll(): Promise<void> {
    const who = { on: 0, session: 0, latency: 0 } as const
    const urls = [...this.#now().authors.keys()].map((id) => `/authors/${id}`)
    await Promise.all(urls.map((url) => this.#inject(who, this.#admin, { method: 'DELETE', url })))
  }

  /** An author as it is, or was last. */
  #recordOf(author: number, command?: WriteAuthor['do']): Pick<AuthorRecord, 'id' | 'slug' | 'owner_id'> {
    const { authors } = this.#now()
    const ids = this.#ids().filter(
      (id) => command === undefined || authors.has(id) === (command !== 'restore')
    )
    const id = ids[author % ids.length]
    if (id === undefined) return { id: crypto.randomUUID(), slug: 'nobody', owner_id: null }
    return JSON.parse(
      this.#now().changes.findLast((one) => one.author_id === id && one.record)?.record as string
    )
  }

  /** As of the last look. */
  #now(): Moment {
    return this.#moments.at(-1) as Moment
  }

  /** Learns what has been committed until now. */
  #look(): Promise<void> {
    this.#looks = this.#looks.then(async () => {
      const news = await this.#changesAfter(this.#now().changes.length)
      for (const change of news) this.#moments.push(momentAfter(this.#now(), change))
    })
    return this.#looks
  }

  /** All but so many, each with what it made of the author: what the next one replaced, or what is there. */
  async #changesAfter(count: number): Promise<Change[]> {
    const rows = await this.#other
      .selectFrom('changes')
      .leftJoin('changes as next', (join) =>
        join
          .onRef('next.author_number', '=', 'changes.author_number')
          .on('next.version', '=', (eb) => eb('changes.version', '+', 1))
      )
      .leftJoin('authors', (join) =>
        join
          .onRef('authors.number', '=', 'changes.author_number')
          .onRef('authors.version', '=', 'changes.version')
      )
      .select(['changes.sequence', 'changes.version', 'changes.deleted_id', 'changes.deleted_slug'])
      .select((eb) => eb.fn.coalesce('next.before', 'authors.record').as('record'))
      .orderBy('changes.sequence')
      .where('changes.sequence', '>', count)
      .execute()
    return rows.map(({ deleted_id, ...change }) => {
      const author_id = change.record === null ? deleted_id : JSON.parse(change.record).id
      return { ...change, author_id }
    })
  }
}

function jsonOf(record: AuthorRecord | undefined): string | undefined {
  return record && JSON.stringify(record)
}

function positionOf(link: string | null) {
  return link === null ? null : positionIn(new URL(link, 'http://localhost').searchParams.get('cursor'))
}

function isDeepEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
