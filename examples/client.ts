/**
 * A client of the Library API whose every address, parameter, header and body the compiler checks against the service's own
 * OpenAPI document. Copy it to a folder whose package.json says `"type": "module"`, start the service, and run there:
 *
 *   npm install openapi-fetch openapi-typescript typescript@5 @types/node
 *   npx openapi-typescript http://127.0.0.1:3000/openapi.json --output library-api.d.ts
 *   npx tsc --noEmit --strict --skipLibCheck --module nodenext --allowImportingTsExtensions client.ts
 *   node client.ts http://127.0.0.1:3000
 */
import createClient, { type FetchOptions, type FetchResponse } from 'openapi-fetch'
import type { components, paths } from './library-api.d.ts'

type Schemas = components['schemas']
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
type PathOf<M extends Method> = {
  [Path in keyof paths]: paths[Path] extends Record<Lowercase<M>, object> ? Path : never
}[keyof paths]
type Options<Operation> =
  object extends FetchOptions<Operation> ? [FetchOptions<Operation>?] : [FetchOptions<Operation>]
/** The media types of answers that this client reads. */
type Media = 'application/json' | 'application/problem+json' | 'application/x-ndjson'

/** The client that openapi-fetch makes, but stricter: that one lets unknown fields pass when all that are needed are there. */
export type Library = {
  [M in Method]: <Path extends PathOf<M>>(
    path: Path,
    ...options: Options<paths[Path][Lowercase<M>]>
  ) => Promise<FetchResponse<NonNullable<paths[Path][Lowercase<M>]>, object, Media>>
}

const baseUrl = process.argv[2] ?? 'http://127.0.0.1:3000'
// Makes names that are new each time, so that the program can be run again on the same data.
const run = Date.now().toString(36)

/** The body of a good answer. Throws the problem of any other. */
function bodyOf<Body>({ data, error }: { data?: Body; error?: Schemas['Problem'] }): NonNullable<Body> {
  if (error !== undefined) throw new Error(`${error.code}: ${error.detail}`)
  return data as NonNullable<Body>
}

const connect = (headers: Record<string, string> = {}) => createClient<paths>({ baseUrl, headers }) as Library

/** Registers a user and logs in; gives a client that shows the token. */
async function signIn(): Promise<Library> {
  const username = `reader-${run}`
  const password = `the moors last sigh ${run}`
  const stranger = connect()
  bodyOf(await stranger.POST('/register', { body: { username, password } }))
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const { access_token } = bodyOf(await stranger.POST('/login', { headers: { authorization } }))
  return connect({ authorization: `Bearer ${access_token}` })
}

const library = await signIn()
const me = bodyOf(await library.GET('/me'))
console.log('signed in as', me.role)

// A request whose answer was lost can be sent again: the key tells that it is the same, and it is done once.
const create = () =>
  library.POST('/authors', {
    params: { header: { 'idempotency-key': run } },
    body: { name: 'Salman Rushdie', book: `Midnight's Children ${run}`, country: 'India', booker_prize: true }
  })
const author = bodyOf(await create())
const again = bodyOf(await create())
console.log('created', author.name, again.id === author.id ? 'once' : 'twice')
const params = { path: { author: author.id } }

const file = ['Grimus', 'Shame'].map((title) =>
  JSON.stringify({
    name: 'Salman Rushdie',
    book: `${title} ${run}`,
    country: 'India'
  } satisfies Schemas['CreateAuthor'])
)
const imported = await library.POST('/authors/import', {
  params: { query: { mode: 'all' } },
  headers: { 'content-type': 'application/x-ndjson' },
  body: file.join('\n'),
  bodySerializer: (text) => text
})
console.log('imported', bodyOf(imported).created)

// A list comes in pages; the cursor of the next one is in `next`.
const query = { q: `rushdie ${run}`, sort: '-name', count: true, limit: 2 } as const
const page = bodyOf(await library.GET('/authors', { params: { query } }))
const cursor = new URL(page.next ?? '', baseUrl).searchParams.get('cursor') ?? ''
const lastPage = bodyOf(await library.GET('/authors', { params: { query: { ...query, cursor } } }))
console.log('found', page.total, 'on pages of', page.data.length, lastPage.data.length)

// What one has already does not come again.
const { response } = await library.GET('/authors/{author}', { params })
const etag = response.headers.get('etag') ?? ''
const unchanged = await library.GET('/authors/{author}', {
  params: { ...params, header: { 'if-none-match': etag } }
})
console.log('got it:', response.status, 'and then', unchanged.response.status)

// A change of just the version that one has seen.
const { name, book, country } = author
const replace = (birth_year: number) =>
  library.PUT('/authors/{author}', {
    params: { ...params, header: { 'if-match': etag } },
    body: { name, book, country, birth_year }
  })
console.log('replaced, version', bodyOf(await replace(1947)).version)
const { error: problem } = await replace(1948)
console.log('refused:', problem?.status, problem?.code, problem?.type)

const patched = await library.PATCH('/authors/{author}', {
  params,
  headers: { 'content-type': 'application/merge-patch+json' },
  body: { note: 'Best of the Booker' }
})
const { note, birth_year } = bodyOf(patched)
console.log('patched:', note, 'and still born in', birth_year)

// What is deleted can be looked at, and brought back.
const deleted = await library.DELETE('/authors/{author}', { params })
console.log('deleted', deleted.response.status)
const history = bodyOf(await library.GET('/authors/{author}/history', { params }))
console.log('history:', history.data.map(({ operation }) => operation).join(' '))
const first = bodyOf(await library.GET('/authors/{author}', { params: { ...params, query: { version: 1 } } }))
console.log('born at first in', first.birth_year ?? 'nobody knows')
console.log('restored, version', bodyOf(await library.POST('/authors/{author}/restore', { params })).version)

// All changes after one that is known.
const since = history.data.at(-1)?.sequence ?? 0
const changes = bodyOf(await library.GET('/changes', { params: { query: { since, limit: 100 } } }))
console.log('changed since:', changes.data.map(({ operation }) => operation).join(' '))

const exported = await library.GET('/authors/export', {
  headers: { accept: 'application/x-ndjson' },
  parseAs: 'text'
})
const lines = bodyOf(exported).trimEnd().split('\n')
console.log('exported', lines.filter((line) => line.includes(run)).length)
