/** A walk through all operations of the API, and what was answered: for the tests of the OpenAPI document. */
import type { Readable } from 'node:stream'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Kysely } from 'kysely'
import type { Test } from 'tap'
import { codeExpiry, upsertPasswordReset } from '../db/password-resets.ts'
import type { Tables } from '../db/tables.ts'
import { updateUser } from '../db/users.ts'
import { AUTHOR, basic, buildApp, directly, type Held, holdWriting, PASSWORD, signIn } from './helpers.ts'

export interface Answer {
  method: string
  /** Of the request, without the query. */
  path: string
  status: string
  mediaType: string | undefined
  headers: LightMyRequestResponse['headers']
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: read as JSON
  json: any
}

interface Sent {
  headers?: Record<string, string>
  json?: object
  /** A body of another media type. */
  body?: [type: string, text: string]
}

/** Sends a request such as `GET /me`, with this token if there is one. */
type Send = (line: string, token?: string, sent?: Sent) => Promise<Answer>

const MERGE_PATCH = 'application/merge-patch+json'
const NDJSON = 'application/x-ndjson'
const RUSHDIE = '/authors/salman-rushdie'

/** All that is answered; the database may be prepared before anybody comes. */
export async function walk(t: Test, prepare?: (db: Db) => Promise<unknown>): Promise<Answer[]> {
  const server = await buildApp(t)
  const db = directly(t, server)
  await prepare?.(db)
  const answers: Answer[] = []
  const send = sending(server, answers)
  const tokens = await signInAll(server, db)
  await walkService(send)
  await walkAccount(send, await walkLogin(send, db))
  await walkAccountByKey(send, tokens.key)
  await walkAuthors(send, tokens)
  await walkHistory(send, tokens)
  await walkKeysInUse(send, () => holdWriting(t, server), tokens)
  await walkFiles(send, tokens)
  await send('GET /changes/stream', tokens.editor)
  await walkChanges(send, server, tokens.editor)
  await walkAdministration(send, tokens)
  await walkUsers(send, tokens)
  return answers
}

interface Tokens {
  admin: string
  editor: string
  reader: string
  stranger: string
  /** An API key that may only read. */
  key: string
}

type Db = Kysely<Tables>

async function signInAll(server: FastifyInstance, db: Db): Promise<Tokens> {
  const admin = await signIn(server, 'anna')
  const editor = await signIn(server, 'boris')
  const reader = await signIn(server, 'chen')
  const stranger = await signIn(server, 'dora')
  await updateUser(db, admin.id, { role: 'admin' })
  await updateUser(db, reader.id, { role: 'reader' })
  const payload = { name: 'reading', scope: 'read' }
  const created = await server.inject({ method: 'POST', url: '/me/keys', headers: editor.headers, payload })
  return {
    admin: admin.token,
    editor: editor.token,
    reader: reader.token,
    stranger: stranger.token,
    key: created.json().key
  }
}

function sending(server: FastifyInstance, answers: Answer[]): Send {
  return async (line, token, { headers = {}, json, body } = {}) => {
    const [method, url = ''] = line.split(' ')
    const [type, payload] = body ?? ['application/json', JSON.stringify(json)]
    const answer = await server.inject({
      method: method as 'GET',
      url,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(payload !== undefined && { 'content-type': type }),
        ...headers
      },
      ...(payload !== undefined && { payload }),
      payloadAsStream: true
    })
    const noted = { method, path: url.split('?')[0], ...(await read(answer)) } as Answer
    answers.push(noted)
    return noted
  }
}

/** Of a stream of changes, which has no end, only the beginning. */
async function read(answer: LightMyRequestResponse) {
  const { statusCode, headers } = answer
  const mediaType = headers['content-type']?.toString().split(';')[0]
  let text = ''
  for await (const chunk of answer.stream()) {
    text += chunk
    if (text.startsWith(': changes')) break
  }
  const isJson = mediaType?.endsWith('json') && mediaType !== NDJSON && text !== ''
  return { status: String(statusCode), mediaType, headers, text, json: isJson ? JSON.parse(text) : undefined }
}

async function walkService(send: Send) {
  for (const path of ['/', '/openapi.json', '/health/live', '/health/ready', '/.well-known/jwks.json'])
    await send(`GET ${path}`)
  for (const path of ['/problems', '/problems?all=true', '/problems/not-owner', '/problems/nothing'])
    await send(`GET ${path}`)
  await send('GET /', undefined, { headers: { accept: 'text/html' } })
  await send('GET /', undefined, { headers: { expect: 'a miracle' } })
  await send('GET /', undefined, { headers: { 'transfer-encoding': 'gzip, chunked' } })
}

/** Gives a token of a user with two sessions, and the password. */
async function walkLogin(send: Send, db: Db) {
  const post = (path: string, json: object) => send(`POST ${path}`, undefined, { json })
  const registration = { username: 'salman', password: PASSWORD }
  const { json: user } = await post('/register', registration)
  await post('/register', registration)
  await post('/register', { username: 'emil', password: 'passwordpassword' })
  await send('POST /register', undefined, { body: ['text/plain', 'emil'] })

  const reset = { username: 'salman', code: 'aaaa', new_password: 'shalimar the clown' }
  await upsertPasswordReset(db, user.id, reset.code, codeExpiry(new Date().toISOString()))
  await post('/password-reset', { ...reset, new_password: 'passwordpassword' })
  for (let tries = 0; tries < 6; tries++) await post('/password-reset', reset)

  const logIn = (username: string, password: string) =>
    send('POST /login', undefined, { headers: { authorization: basic(username, password) } })
  await send('POST /login')
  for (let tries = 0; tries < 11; tries++) await logIn('nobody', PASSWORD)
  await logIn('salman', reset.new_password)
  const authorization = basic('salman', reset.new_password)
  await send('POST /login?x', undefined, { headers: { authorization } })
  const { json: tokens } = await logIn('salman', reset.new_password)
  await post('/refresh', { refresh_token: 'lrt_x' })
  const { json: fresh } = await post('/refresh', { refresh_token: tokens.refresh_token })
  return { token: fresh.access_token as string, password: reset.new_password }
}

async function walkAccount(send: Send, { token, password }: { token: string; password: string }) {
  for (const bearer of [undefined, 'x', token]) await send('GET /me', bearer)
  const { json: sessions } = await send('GET /me/sessions?limit=1', token)
  const key = { name: 'export', scope: 'read' }
  await send('POST /me/keys', token, { json: key })
  const { json: created } = await send('POST /me/keys', token, { json: key })
  await send('POST /me/keys', token, { json: { ...key, expires_at: '2000-01-01T00:00:00Z' } })
  await send('GET /me/keys?limit=1', token)
  await send('GET /me/export', token)
  await send('GET /me/keys', created.key)
  for (const id of [created.id, 'none']) await send(`DELETE /me/keys/${id}`, token)

  const new_password = 'two years eight months'
  for (const current_password of ['wrong', password])
    await send('PUT /me/password', token, { json: { current_password, new_password } })
  // The other session is over by now.
  await send(`DELETE /me/sessions/none`, token)
  await send('DELETE /me', token, { json: { password: 'wrong' } })
  await send(`DELETE /me/sessions/${sessions.data[0].id}`, token)
}

/** What a key that may only read is kept from at once. */
async function walkAccountByKey(send: Send, key: string) {
  const json = {}
  for (const line of [
    'GET /me/export',
    'POST /logout',
    'DELETE /me/keys/none',
    'DELETE /me/sessions/none',
    'DELETE /users/none'
  ])
    await send(line, key)
  for (const line of ['DELETE /me', 'POST /me/keys', 'PUT /me/password', 'PATCH /users/none'])
    await send(line, key, { json })
}

const EDITS: Record<string, (content: object) => Sent> = {
  PUT: (content) => ({ json: { ...AUTHOR, ...content } }),
  PATCH: (content) => ({ body: [MERGE_PATCH, JSON.stringify(content)] })
}

async function walkAuthors(send: Send, { editor, reader, stranger, key }: Tokens) {
  const create = (json: object, headers = {}) => send('POST /authors', editor, { json, headers })
  const keyed = { 'idempotency-key': 'k' }
  const minimal = { prefer: 'return=minimal' }
  for (const token of [reader, key]) await send('POST /authors', token, { json: AUTHOR })
  await send('POST /authors', editor, { body: ['text/plain', 'x'] })
  const { headers } = await create(AUTHOR, { ...keyed, prefer: 'return=representation' })
  const ifMatch = { 'if-match': headers.etag as string }
  for (const content of [AUTHOR, { ...AUTHOR, name: 1 }, { note: 'x'.repeat(2 ** 20) }]) await create(content)
  for (const preference of [keyed, minimal]) await create({ ...AUTHOR, book: 'Shame' }, preference)

  for (const query of ['', '?limit=1&count=true&sort=name', '?cursor=x'])
    await send(`GET /authors${query}`, editor)
  for (const name of ['nobody', 'x'.repeat(501), 'salman-rushdie?version=9', 'salman-rushdie?version=1'])
    await send(`GET /authors/${name}`, editor)
  await send(`GET ${RUSHDIE}`, editor, { headers: { 'if-none-match': ifMatch['if-match'] } })

  for (const [method, edit] of Object.entries(EDITS)) {
    const change = (content: object, more = {}) =>
      send(`${method} ${RUSHDIE}`, editor, { ...edit(content), headers: more })
    for (const token of [reader, stranger, key]) await send(`${method} ${RUSHDIE}`, token, edit({}))
    await send(`${method} /authors/nobody`, editor, edit({}))
    await send(`${method} ${RUSHDIE}`, editor, { body: ['text/plain', 'x'] })
    await change({ note: 'a' }, { prefer: 'return=representation' })
    await change({ note: 'b' }, minimal)
    await send(`${method} ${RUSHDIE}`, editor, { json: { ...AUTHOR, note: 'b' } })
    await change({ note: 'c' }, ifMatch)
    for (const wrong of [{ note: 1 }, { book: 'Shame' }]) await change(wrong)
  }
  await send(`PATCH ${RUSHDIE}`, editor, { ...EDITS.PATCH?.({}), headers: keyed })
  await send(`DELETE ${RUSHDIE}`, editor, { headers: ifMatch })
}

/** Deletes an author and brings it back. */
async function walkHistory(send: Send, { admin, editor, reader, stranger, key }: Tokens) {
  for (const token of [reader, stranger, key, editor]) await send(`DELETE ${RUSHDIE}`, token)
  await send(`DELETE ${RUSHDIE}`, editor)
  for (const path of ['/authors/nobody/history', `${RUSHDIE}/history?limit=1`, `${RUSHDIE}/history?cursor=x`])
    await send(`GET ${path}`, editor)
  const restore = (token: string, headers = {}) => send(`POST ${RUSHDIE}/restore`, token, { headers })
  for (const token of [reader, stranger, key]) await restore(token)
  await restore(editor, { 'idempotency-key': 'k' })
  await restore(editor, { prefer: 'return=representation' })
  await restore(editor)
  await send('POST /authors/nobody/restore', editor)
  const { json: grimus } = await send('POST /authors', editor, { json: { ...AUTHOR, book: 'Purged' } })
  for (const token of [editor, admin]) await send(`DELETE /authors/${grimus.id}?purge=true`, token)
  await send(`POST /authors/${grimus.id}/restore`, admin)
}

/** What is answered to the second of two requests with one key, while another transaction holds up the first. */
async function walkKeysInUse(send: Send, hold: () => Promise<Held>, { admin, editor }: Tokens) {
  const headers = { 'idempotency-key': 'in-use' }
  const lines: [string, Sent, string?][] = [
    ['POST /users', { headers, json: { username: 'kiran' } }, admin],
    ['POST /authors', { headers, json: { ...AUTHOR, book: 'Grimus' } }],
    [`PATCH ${RUSHDIE}`, { headers, ...EDITS.PATCH?.({ note: 'd' }) }],
    [`POST ${RUSHDIE}/restore`, { headers }]
  ]
  for (const [line, sent, token = editor] of lines) {
    const held = await hold()
    const both = [send(line, token, sent), send(line, token, sent)]
    await Promise.race(both)
    await held.exec('commit')
    await Promise.all(both)
  }
}

async function walkFiles(send: Send, { editor, reader, key }: Tokens) {
  const row = (book: unknown) => JSON.stringify({ ...AUTHOR, book })
  const post = (text: string, headers = {}) =>
    send('POST /authors/import', editor, { body: [NDJSON, text], headers })
  for (const book of ['Fury', 1]) {
    await post(row(book))
    await post(row(book), { accept: 'text/event-stream' })
  }
  await send('POST /authors/import?mode=some', editor, { body: [NDJSON, ''] })
  for (const token of [reader, key])
    await send('POST /authors/import', token, { body: [NDJSON, row('Fury')] })
  await send('POST /authors/import', editor, { json: AUTHOR })
  for (const accept of ['text/csv', NDJSON, 'image/png'])
    await send('GET /authors/export', editor, { headers: { accept } })
}

async function walkChanges(send: Send, server: FastifyInstance, token: string) {
  for (const query of ['', '?limit=1', '?since=x']) await send(`GET /changes${query}`, token)
  const headers = { authorization: `Bearer ${token}` }
  const streams: Readable[] = []
  for (let status = 200; status === 200; ) {
    const answer = await server.inject({ url: '/changes/stream', headers, payloadAsStream: true })
    streams.push(answer.stream())
    status = answer.statusCode
  }
  await send('GET /changes/stream', token)
  for (const stream of streams) stream.destroy()
}

/** What is for admins alone, by an editor, of nobody, and as it should be. */
async function walkAdministration(send: Send, { admin, editor, key }: Tokens) {
  const json = { username: 'vikram' }
  const headers = { 'idempotency-key': 'vikram' }
  for (const token of [editor, key]) await send('POST /users', token, { json })
  const { json: user } = await send('POST /users', admin, { json, headers })
  await send('POST /users', admin, { json: { username: 'amit' }, headers })
  await send('POST /users', admin, { json })
  await send('POST /users', admin, { json: { username: 'a:b' } })
  await send('POST /users', admin, { body: ['text/plain', 'x'] })
  const lines = [
    'GET /service',
    'GET /users?q=vik',
    'GET /users?role=god',
    'GET /authors?deleted=true',
    ...[user.id, 'none'].flatMap((id) => [
      `POST /users/${id}/reset-code`,
      `POST /users/${id}/unlock`,
      ...['sessions', 'keys'].flatMap((what) => [
        `GET /users/${id}/${what}?limit=1`,
        `GET /users/${id}/${what}?limit=x`,
        `DELETE /users/${id}/${what}`,
        `DELETE /users/${id}/${what}/none`
      ])
    ])
  ]
  for (const token of [editor, key, admin]) for (const line of lines) await send(line, token)
  const { json: reset } = await send(`POST /users/${user.id}/reset-code`, admin)
  for (const [what, id] of Object.entries(await credentialsOf(send, json.username, reset.reset_code)))
    for (const line of [`GET /users/${user.id}/${what}?limit=1`, `DELETE /users/${user.id}/${what}/${id}`])
      await send(line, admin)
  await send(`GET /users/${user.id}/history?limit=1`, admin)
}

/** A session and a key of a new user, who has two of each. */
async function credentialsOf(send: Send, username: string, code: string) {
  const new_password = 'a suitable boy, unread'
  await send('POST /password-reset', undefined, { json: { username, code, new_password } })
  const authorization = basic(username, new_password)
  await send('POST /login', undefined, { headers: { authorization } })
  const { json: tokens } = await send('POST /login', undefined, { headers: { authorization } })
  const name = { name: 'reading', scope: 'read' }
  await send('POST /me/keys', tokens.access_token, { json: name })
  const { json: key } = await send('POST /me/keys', tokens.access_token, { json: name })
  const { json: sessions } = await send('GET /me/sessions', tokens.access_token)
  return { keys: key.id, sessions: sessions.data[0].id }
}

async function walkUsers(send: Send, { admin, editor, stranger }: Tokens) {
  const { json: page } = await send('GET /users?limit=1', editor)
  const { json: self } = await send('GET /me', admin)
  const ids = [page.data[0].id, self.id, 'nobody']
  for (const id of ids) await send(`GET /users/${id}`, editor)
  await send(`GET /users/${self.id}/history`, editor)
  await send(`GET /users/${self.id}/history?cursor=x`, admin)
  for (const id of ids) await send(`GET /users/${id}/history`, admin)
  await send(`PATCH /users/${self.id}`, editor, { json: { role: 'reader' } })
  await send(`DELETE /users/${self.id}`, editor)
  for (const id of ids) await send(`PATCH /users/${id}`, admin, { json: { role: 'reader' } })
  for (const id of ids) await send(`DELETE /users/${id}`, admin)
  await send('POST /logout', editor)
  for (const token of [admin, stranger]) await send('DELETE /me', token, { json: { password: PASSWORD } })
}
