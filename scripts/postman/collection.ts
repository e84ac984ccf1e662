import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Fastify from 'fastify'
import { app, serverOptions } from '../../app.ts'
import { loadConfig } from '../../config.ts'
import { wholeDocument } from '../fuzz/document.ts'
import { BASIC_AUTH, BEARER_AUTH, jsonBody, KEEP_TOKEN, NO_AUTH, script } from './items.ts'
import { WALK, walkItems } from './walk.ts'

// Postman tells collections and environments apart by these, so an import replaces the one before.
const COLLECTION_ID = '2f0c6f3e-7a51-4c1b-9d44-6b1f8a5e0c27'
const ENVIRONMENT_ID = 'b7d9a1c4-3e28-4f65-8a90-1c5d7e2f4b83'

const DESCRIPTION = `
Send the requests of "${WALK}" from top to bottom, or run that folder: it leaves an access token behind, with which
every other request works. So does "Log in" of the folder "account", as the user that the variables name.
`

/** The files' texts by their names; the same for the same service. */
export async function generatePostman(): Promise<Record<string, string>> {
  const document = await readDocument()
  // The example of the docs, so that they and the collection tell of the same user.
  const { username, password } = document.components.schemas.Registration.examples[0]
  const settings = [
    { key: 'baseUrl', value: 'http://127.0.0.1:3000' },
    { key: 'password', value: password }
  ]
  const kept = ['access_token', 'author_id', 'author_slug', 'author_etag'].map((key) => ({ key, value: '' }))
  const collection = {
    info: {
      _postman_id: COLLECTION_ID,
      name: document.info.title,
      description: DESCRIPTION.trim(),
      schema: 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json'
    },
    auth: BEARER_AUTH,
    item: [{ name: WALK, item: walkItems }, ...(await convert(document))],
    variable: [...settings, { key: 'username', value: username }, ...kept]
  }
  const environment = {
    id: ENVIRONMENT_ID,
    name: `${document.info.title} on this machine`,
    values: settings.map((setting) => ({ ...setting, enabled: true })),
    _postman_variable_scope: 'environment'
  }
  return {
    'library.postman_collection.json': toText(collection),
    'library.postman_environment.json': toText(environment)
  }
}

function toText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

async function readDocument(): Promise<Document> {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-'))
  const config = loadConfig({ DATABASE_URL: path.join(folder, 'library.db'), LOG_LEVEL: 'silent' })
  const server = Fastify(serverOptions(config))
  try {
    await server.register(app, { config })
    return wholeDocument((await server.inject('/openapi.json')).json())
  } finally {
    await server.close()
    rmSync(folder, { recursive: true })
  }
}

interface Folder {
  name: string
  description: string
  item: Item[]
}

interface Item {
  name: string
  request: {
    method: string
    url: { path: string[] }
    header: object[]
    body: { raw?: string }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: read as JSON
type Document = any

/** The folders, one a tag, that openapi-to-postmanv2 makes, without the ids that it draws each time. */
async function convert(document: Document) {
  const { convertV2 } = createRequire(new URL('../../tools/package.json', import.meta.url))(
    'openapi-to-postmanv2'
  )
  const input = { type: 'json', data: withExamples(document) }
  const options = { folderStrategy: 'Tags', parametersResolution: 'Example', enableOptionalParameters: false }
  const folders = await new Promise<Folder[]>((resolve, reject) => {
    convertV2(input, options, (error: Error | null, { result, reason, output }: Document) => {
      if (error !== null || !result) reject(error ?? new Error(reason))
      else resolve(output[0].data.item)
    })
  })
  return folders.map(({ name, description, item }) => ({
    name,
    description,
    item: item.map((request) => toGeneratedItem(request, document))
  }))
}

/** The converter does not look at the examples of named schemas, and makes values up; so they go where it looks. */
function withExamples(document: Document): Document {
  const copy = structuredClone(document)
  for (const operation of Object.values(copy.paths).flatMap((item) => Object.values(item as object))) {
    for (const parameter of operation.parameters ?? []) parameter.example ??= parameter.schema.default ?? ''
    for (const media of Object.values<Document>(operation.requestBody?.content ?? {})) {
      const schema = copy.components.schemas[media.schema.$ref?.split('/').at(-1)]
      media.example ??= schema?.examples?.[0]
    }
  }
  return copy
}

function toGeneratedItem({ name, request: { method, url, header, body } }: Item, document: Document) {
  const address = `/${url.path.map((part) => part.replace(/^:(.+)/, '{$1}')).join('/')}`
  const { operationId, security } = document.paths[address][method.toLowerCase()]
  return {
    name,
    event: operationId === 'login' ? [script('test', KEEP_TOKEN)] : [],
    request: { method, header, url, body: body.raw && jsonBody(body.raw), auth: authOf(security) }
  }
}

/** Left out, it is the collection's: the bearer token. */
function authOf(security: object[] | undefined) {
  if (security?.length === 0) return NO_AUTH
  return security?.some((scheme) => 'basic' in scheme) ? BASIC_AUTH : undefined
}
