import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { problemTypes } from '../schemas/errors.ts'
import {
  type Document,
  findRoute,
  type Media,
  type Operation,
  PROBLEM,
  type Route,
  routesOf,
  type Schema,
  wholeDocument
} from '../scripts/fuzz/document.ts'
import { COMMON_HEADERS } from '../scripts/fuzz/judge.ts'
import { answerCheck } from '../scripts/fuzz/schemas.ts'
import { test } from './engines.ts'
import { buildApp, ROOT, signIn, temporaryFolder } from './helpers.ts'
import { type Answer, walk } from './openapi-walk.ts'

const REDOCLY = path.join(ROOT, 'tools/node_modules/@redocly/cli/bin/cli.js')

/** Answered before any route is known, so documented at none. */
const OF_NO_ROUTE = ['ROUTE_NOT_FOUND', 'METHOD_NOT_ALLOWED']

const server = await buildApp(t)
const sent: Document = (await server.inject('/openapi.json')).json()
const document = wholeDocument(sent)

function problemsOf({ responses }: Operation) {
  return Object.entries(responses).flatMap(([status, { content }]) =>
    Object.entries(content?.[PROBLEM]?.examples ?? {}).map(([name, { value }]) => ({ status, name, value }))
  )
}

function mediaOf({ requestBody, responses }: Operation): Media[] {
  return [requestBody, ...Object.values(responses)].flatMap((part) => Object.values(part?.content ?? {}))
}

/** Every `$ref` anywhere in the value. */
function refsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [inner] : refsOf(inner)))
}

/** Every schema anywhere in the value, with where it is. */
function schemasIn(value: unknown, place = ''): { place: string; schema: Schema }[] {
  if (typeof value !== 'object' || value === null) return []
  const within = Object.entries(value).flatMap(([key, inner]) => schemasIn(inner, `${place}/${key}`))
  const { type } = value as Schema
  const isSchema = [type].flat().some((name) => ['string', 'integer', 'array', 'object'].includes(name ?? ''))
  return isSchema ? [{ place, schema: value as Schema }, ...within] : within
}

function resolve(document: Document, ref: string): unknown {
  const names = ref.replace('#/', '').split('/')
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown>)?.[name], document)
}

/** The operation as a request without credentials. */
function bareRequest({ address, method, operation }: Route): InjectOptions {
  const url = address.replace(/{(\w+)}/g, (_match, name) => {
    const parameter = operation.parameters?.find((candidate) => candidate.name === name)
    return encodeURIComponent(parameter?.example ?? 'x')
  })
  return { method: method as 'GET', url }
}

t.test('Redocly finds no error and no warning', async (t) => {
  const file = path.join(temporaryFolder(t), 'openapi.json')
  writeFileSync(file, JSON.stringify(sent))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [REDOCLY, 'lint', '--extends=recommended', '--format=json', file],
    {
      cwd: path.dirname(file),
      // No PATH, so nothing to call npm with.
      env: { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
    }
  ).catch((error) => error)
  const { totals, problems } = JSON.parse(stdout)
  t.strictSame(problems, [])
  t.match(totals, { errors: 0, warnings: 0, ignored: 0 })
})

t.test('every operation says what it is', async (t) => {
  const tags = document.tags.map(({ name }) => name)
  const operations = routesOf(document)
  t.ok(operations.length > 0)
  for (const { title, operation } of operations) {
    t.ok(operation.operationId, `${title} has an operationId`)
    t.ok(operation.summary, `${title} has a summary`)
    t.equal(operation.tags.length, 1, `${title} has a tag`)
    t.ok(tags.includes(operation.tags[0] as string), `${title} has a tag that is explained`)
    for (const [status, { description }] of Object.entries(operation.responses))
      t.ok(description, `${title} describes its ${status}`)
  }
  const ids = operations.map(({ operation }) => operation.operationId)
  t.strictSame(ids, [...new Set(ids)], 'operationIds are unique')
})

t.test('every body has a named schema and an example', async (t) => {
  for (const { title, operation } of routesOf(document)) {
    for (const { schema, examples } of mediaOf(operation)) {
      const name = schema.$ref?.replace('#/components/schemas/', '') ?? ''
      t.ok(name in document.components.schemas, `${title}: the schema has a name`)
      t.ok(examples ?? document.components.schemas[name]?.examples, `${title}: ${name} has an example`)
    }
  }
})

t.test('every example fits its schema', async (t) => {
  const check = answerCheck(document)
  const examples = [
    ...schemasIn(document).flatMap(({ place, schema }) =>
      (schema.examples ?? []).map((example) => ({ place, schema, example }))
    ),
    ...routesOf(document).flatMap(({ title, operation }) => [
      ...mediaOf(operation).flatMap(({ schema, examples = {} }) =>
        Object.entries(examples).map(([name, { value }]) => ({
          place: `${title} ${name}`,
          schema,
          example: value
        }))
      ),
      ...(operation.parameters ?? [])
        .filter(({ example }) => example !== undefined)
        .map(({ name, schema, example }) => ({ place: `${title} ${name}`, schema, example }))
    ])
  ]
  t.ok(examples.length > 0)
  for (const { place, schema, example } of examples) t.strictSame(check(schema, example), [], place)
})

t.test('every parameter and every header says what it is', async (t) => {
  for (const { title, operation } of routesOf(document)) {
    for (const { name, description } of operation.parameters ?? []) t.ok(description, `${title}: ${name}`)
    for (const [status, { headers = {} }] of Object.entries(operation.responses))
      for (const [name, { description }] of Object.entries(headers))
        t.ok(description, `${title} ${status}: ${name}`)
  }
})

t.test('every string, number and array has its bounds', async (t) => {
  for (const { place, schema } of schemasIn(document)) {
    const types = [schema.type].flat()
    if (types.includes('string')) t.ok(schema.enum ?? schema.maxLength, `${place} has a maxLength`)
    if (types.includes('array')) t.ok(schema.maxItems, `${place} has maxItems`)
    if (types.includes('integer'))
      t.match(schema, { minimum: Number, maximum: Number }, `${place} has a minimum and a maximum`)
  }
})

t.test('every reference leads to something', async (t) => {
  const refs = new Set(refsOf(sent))
  t.ok(refs.size > 0)
  for (const ref of refs) t.ok(resolve(sent, ref), ref)
})

t.test('operations want the credentials that the document says', async (t) => {
  t.match(document.components.securitySchemes, {
    basic: { type: 'http', scheme: 'basic' },
    bearer: { type: 'http', scheme: 'bearer' }
  })
  t.strictSame(document.paths['/login']?.post?.security, [{ basic: [] }])
  const challenges: Record<string, string | undefined> = {
    '[]': undefined,
    '[{"basic":[]}]': 'Basic realm="library", charset="UTF-8"',
    '[{"bearer":[]}]': 'Bearer realm="library"'
  }
  for (const entry of routesOf(document)) {
    const security = JSON.stringify(entry.operation.security ?? [{ bearer: [] }])
    t.ok(security in challenges, `${entry.title} has security that this test knows`)
    const answer = await server.inject(bareRequest(entry))
    t.equal(answer.headers['www-authenticate'], challenges[security], entry.title)
    t.equal(answer.statusCode === 401, challenges[security] !== undefined, `${entry.title} ${security}`)
  }
})

t.test(
  'a key that may only read is refused where the document says so, which is wherever one writes',
  async (t) => {
    const { headers } = await signIn(server)
    const payload = { name: 'reading', scope: 'read' }
    const { key } = (await server.inject({ method: 'POST', url: '/me/keys', headers, payload })).json()
    const operations = routesOf(document).filter(({ operation }) => operation.security === undefined)
    for (const entry of operations.filter(({ address }) => address !== '/changes/stream')) {
      const answer = await server.inject({
        ...bareRequest(entry),
        headers: { authorization: `Bearer ${key}` }
      })
      const isRefused = answer.body.includes('"INSUFFICIENT_SCOPE"')
      const isDocumented = problemsOf(entry.operation).some(({ name }) => name === 'INSUFFICIENT_SCOPE')
      t.strictSame([isRefused, isDocumented], Array(2).fill(entry.method !== 'GET'), entry.title)
    }
  }
)

t.test('the problems of the document, of the service and of /problems are the same', async (t) => {
  const documented = routesOf(document).flatMap(({ operation }) => problemsOf(operation))
  const codes = new Set(documented.map(({ value }) => value.code))
  t.strictSame([...codes, ...OF_NO_ROUTE].sort(), [...problemTypes.keys()].sort())
  for (const { status, name, value } of documented) {
    const type = problemTypes.get(value.code)
    t.match(value, { code: name, status: type?.status, type: `/problems/${type?.name}` })
    t.equal(status, String(type?.status), `${name} stands at its status`)
  }
  for (const { name, code } of problemTypes.values()) {
    const answer = await server.inject(`/problems/${name}`)
    t.equal(answer.statusCode, 200, `/problems/${name}`)
    t.match(answer.json(), { code, type: `/problems/${name}` })
  }
})

/** Told of a slow client, of huge headers, of a broken service, of a database or a processor with too much to do. */
const OUT_OF_REACH = ['408', '431', '500', '503']

/** The document's responses, as `GET /me 200`, and what was answered by each in the walk. */
function responsesOf(document: Document, answers: Answer[]) {
  const operations = routesOf(document)
  const titleOf = ({ method, path }: Answer) =>
    findRoute(operations, method, path)?.route.title ?? `${method} ${path}`
  const byResponse = Map.groupBy(answers, (answer) => `${titleOf(answer)} ${answer.status}`)
  const documented = operations.flatMap(({ title, operation }) =>
    Object.entries(operation.responses).map(([status, { headers = {}, content = {} }]) => ({
      title: `${title} ${status}`,
      status,
      headers: Object.keys(headers).map((name) => name.toLowerCase()),
      required: Object.keys(headers)
        .filter((name) => headers[name]?.required)
        .map((name) => name.toLowerCase()),
      content,
      answers: byResponse.get(`${title} ${status}`) ?? []
    }))
  )
  const unknown = [...byResponse.keys()].filter((title) => !documented.some((known) => known.title === title))
  return { documented, unknown }
}

function headersOf(answers: Answer[]): Set<string> {
  return new Set(answers.flatMap(({ headers }) => Object.keys(headers)))
}

test('what is answered in a walk through all operations is what the document says', async (t) => {
  const { documented, unknown } = responsesOf(document, await walk(t))
  const reached = documented.filter(({ answers }) => answers.length > 0)

  t.strictSame(unknown, [], 'every response is documented')
  const missed = documented.filter(({ status, answers }) => status < '400' && answers.length === 0)
  t.strictSame(missed, [], 'every good response is met')
  const statuses = new Set(documented.map(({ status }) => status))
  t.strictSame(
    [...statuses].filter((status) => !reached.some((response) => response.status === status)),
    OUT_OF_REACH,
    'and every kind of problem that a client can bring about'
  )

  t.test('every header that is sent is documented, and every documented one is sent', async (t) => {
    for (const { title, headers, answers } of reached) {
      const sent = [...headersOf(answers)].filter((name) => !COMMON_HEADERS.has(name))
      t.strictSame(sent.sort(), headers.toSorted(), title)
    }
  })

  t.test('every header that is documented as required is in every answer', async (t) => {
    for (const { title, required, answers } of reached)
      for (const { headers } of answers)
        t.strictSame(
          required.filter((name) => !(name in headers)),
          [],
          title
        )
  })

  t.test('every body has a documented media type, and fits its schema', async (t) => {
    const check = answerCheck(document)
    for (const { title, content, answers } of reached) {
      for (const { mediaType, text, json } of answers) {
        // `Prefer: return=minimal`
        if (text === '' && mediaType === undefined) continue
        const { schema } = content[mediaType ?? ''] ?? {}
        t.ok(schema, `${title} can be ${mediaType}`)
        if (schema !== undefined && json !== undefined) t.strictSame(check(schema, json), [], title)
      }
    }
  })
})
