import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { FastifyInstance, InjectOptions } from 'fastify'
import t from 'tap'
import { problemTypes } from '../schemas/errors.ts'
import { buildApp, ROOT, temporaryFolder } from './helpers.ts'

const REDOCLY = path.join(ROOT, 'tools/node_modules/@redocly/cli/bin/cli.js')

/** Answered before any route is known, so documented at none. */
const OF_NO_ROUTE = ['ROUTE_NOT_FOUND', 'METHOD_NOT_ALLOWED']

interface Media {
  schema: { $ref?: string }
  examples?: Record<string, { value: { code: string; type: string; status: number } }>
}

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security?: Record<string, string[]>[]
  parameters?: { in: string; name: string; example?: string }[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { description: string; content?: Record<string, Media> }>
}

interface Document {
  openapi: string
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: {
    schemas: Record<string, { examples?: unknown[] }>
    securitySchemes: Record<string, { type: string; scheme: string }>
  }
}

async function readDocument(server: FastifyInstance): Promise<Document> {
  return (await server.inject('/openapi.json')).json()
}

function operationsOf({ paths }: Document) {
  return Object.entries(paths).flatMap(([address, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      title: `${method.toUpperCase()} ${address}`,
      method: method.toUpperCase() as InjectOptions['method'],
      address,
      operation
    }))
  )
}

function problemsOf({ responses }: Operation) {
  return Object.entries(responses).flatMap(([status, { content }]) =>
    Object.entries(content?.['application/problem+json']?.examples ?? {}).map(([name, { value }]) => ({
      status,
      name,
      value
    }))
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

function resolve(document: Document, ref: string): unknown {
  const names = ref.replace('#/', '').split('/')
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown>)?.[name], document)
}

/** The operation as a request without credentials. */
function bareRequest({ address, method, operation }: ReturnType<typeof operationsOf>[number]): InjectOptions {
  const url = address.replace(/{(\w+)}/g, (_match, name) => {
    const parameter = operation.parameters?.find((candidate) => candidate.name === name)
    return encodeURIComponent(parameter?.example ?? 'x')
  })
  return { method, url }
}

t.test('Redocly finds no error and no warning', async (t) => {
  const file = path.join(temporaryFolder(t), 'openapi.json')
  writeFileSync(file, JSON.stringify(await readDocument(await buildApp(t))))
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
  const document = await readDocument(await buildApp(t))
  const tags = document.tags.map(({ name }) => name)
  const operations = operationsOf(document)
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
  const document = await readDocument(await buildApp(t))
  for (const { title, operation } of operationsOf(document)) {
    for (const { schema, examples } of mediaOf(operation)) {
      const name = schema.$ref?.replace('#/components/schemas/', '') ?? ''
      t.ok(name in document.components.schemas, `${title}: the schema has a name`)
      t.ok(examples ?? document.components.schemas[name]?.examples, `${title}: ${name} has an example`)
    }
  }
})

t.test('every reference leads to something', async (t) => {
  const document = await readDocument(await buildApp(t))
  const refs = new Set(refsOf(document))
  t.ok(refs.size > 0)
  for (const ref of refs) t.ok(resolve(document, ref), ref)
})

t.test('operations want the credentials that the document says', async (t) => {
  const server = await buildApp(t)
  const document = await readDocument(server)
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
  for (const entry of operationsOf(document)) {
    const security = JSON.stringify(entry.operation.security ?? [{ bearer: [] }])
    t.ok(security in challenges, `${entry.title} has security that this test knows`)
    const answer = await server.inject(bareRequest(entry))
    t.equal(answer.headers['www-authenticate'], challenges[security], entry.title)
    t.equal(answer.statusCode === 401, challenges[security] !== undefined, `${entry.title} ${security}`)
  }
})

t.test('the problems of the document, of the service and of /problems are the same', async (t) => {
  const server = await buildApp(t)
  const documented = operationsOf(await readDocument(server)).flatMap(({ operation }) =>
    problemsOf(operation)
  )
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
