/**
 * The same three routes the way tutorials wire them, to compare with: @fastify/jwt, Kysely's own dialect over better-sqlite3, schemas
 * of requests and answers, and a commit for each request. It promises the same of the disk. Run as a process with the service's
 * database, of which it copies the authors, a file of its own, and how many users' tokens it should give.
 */
import jwt from '@fastify/jwt'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import Sqlite from 'better-sqlite3'
import Fastify from 'fastify'
import { Kysely, type Selectable, SqliteDialect } from 'kysely'
import { uuidv7 } from 'uuidv7'

const COLUMNS = `id, slug, name, sort_name, book, country, booker_prize, birth_year, death_year, viaf, isni, wikidata, openlibrary, note,
  record ->> 'owner_id', version, created_at, updated_at`
const TABLE = `create table authors (
    id text primary key, slug text not null unique, name text not null, sort_name text, book text not null, country text not null,
    booker_prize integer not null, birth_year integer, death_year integer, viaf text, isni text, wikidata text,
    openlibrary text, note text, owner_id text, version integer not null, created_at text not null, updated_at text not null,
    unique (name, book)
  )`

interface AuthorsTable {
  id: string
  slug: string
  name: string
  sort_name: string | null
  book: string
  country: string
  booker_prize: number
  birth_year: number | null
  death_year: number | null
  viaf: string | null
  isni: string | null
  wikidata: string | null
  openlibrary: string | null
  note: string | null
  owner_id: string
  version: number
  created_at: string
  updated_at: string
}

const Text = Type.String()
const TextOrNull = Type.Union([Type.String(), Type.Null()])
const YearOrNull = Type.Union([Type.Integer(), Type.Null()])
const Content = {
  name: Type.String({ minLength: 1, maxLength: 200 }),
  book: Type.String({ minLength: 1, maxLength: 300 }),
  country: Type.String({ minLength: 1, maxLength: 100 }),
  booker_prize: Type.Boolean()
}
const Author = Type.Object({
  id: Text,
  slug: Text,
  ...Content,
  sort_name: TextOrNull,
  birth_year: YearOrNull,
  death_year: YearOrNull,
  identifiers: Type.Object({
    viaf: TextOrNull,
    isni: TextOrNull,
    wikidata: TextOrNull,
    openlibrary: TextOrNull
  }),
  note: TextOrNull,
  owner_id: TextOrNull,
  version: Type.Integer(),
  created_at: Text,
  updated_at: Text
})
const AuthorPage = Type.Object({ data: Type.Array(Author), next: TextOrNull })
const CreateAuthor = Type.Object({ ...Content, birth_year: Type.Optional(YearOrNull) })
const PageQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(Type.String())
})

const ONE = {
  params: Type.Object({ id: Type.String() }),
  response: { 200: Author, 404: Type.Object({ message: Type.String() }) }
}

function toAuthor({ viaf, isni, wikidata, openlibrary, ...row }: Selectable<AuthorsTable>) {
  return {
    ...row,
    booker_prize: row.booker_prize === 1,
    identifiers: { viaf, isni, wikidata, openlibrary }
  }
}

function slugOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
}

function newRow(
  { booker_prize, birth_year = null, ...content }: typeof CreateAuthor.static,
  owner_id: string
) {
  const now = new Date().toISOString()
  const unknown = { sort_name: null, death_year: null, note: null }
  const identifiers = { viaf: null, isni: null, wikidata: null, openlibrary: null }
  return {
    ...{
      id: uuidv7(),
      slug: slugOf(content.name),
      ...content,
      booker_prize: Number(booker_prize),
      birth_year
    },
    ...{ ...unknown, ...identifiers, owner_id, version: 1, created_at: now, updated_at: now }
  }
}

const routes: FastifyPluginAsyncTypebox<{ database: Sqlite.Database }> = async (fastify, { database }) => {
  const db = new Kysely<{ authors: AuthorsTable }>({ dialect: new SqliteDialect({ database }) })
  fastify.addHook('onRequest', (request) => request.jwtVerify())

  fastify.get(
    '/authors',
    { schema: { querystring: PageQuery, response: { 200: AuthorPage } } },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await db
        .selectFrom('authors')
        .selectAll()
        .$if(cursor !== undefined, (query) => query.where('id', '<', cursor as string))
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute()
      const data = rows.slice(0, limit).map(toAuthor)
      return { data, next: rows.length > limit ? `/authors?limit=${limit}&cursor=${data.at(-1)?.id}` : null }
    }
  )

  fastify.get('/authors/:id', { schema: ONE }, async (request, reply) => {
    const row = await db
      .selectFrom('authors')
      .selectAll()
      .where('id', '=', request.params.id)
      .executeTakeFirst()
    return row === undefined ? reply.code(404).send({ message: 'Not found' }) : toAuthor(row)
  })

  fastify.post(
    '/authors',
    { schema: { body: CreateAuthor, response: { 201: Author } } },
    async (request, reply) => {
      const row = newRow(request.body, request.user.id)
      await db.insertInto('authors').values(row).execute()
      return reply.code(201).header('location', `/authors/${row.id}`).send(toAuthor(row))
    }
  )
}

function copyAuthors(source: string, file: string): Sqlite.Database {
  const database = new Sqlite(file)
  database.pragma('journal_mode = wal')
  database.pragma('synchronous = full')
  database.exec(TABLE)
  database.prepare('attach ? as service').run(source)
  database.exec(`insert into authors select ${COLUMNS} from service.authors order by id; detach service`)
  return database
}

async function serve([source = '', file = '', users = '1']: string[]): Promise<void> {
  const server = Fastify()
  await server.register(jwt, { secret: 'the moors last sigh, and no secret' })
  await server.register(routes, { database: copyAuthors(source, file) })
  process.once('disconnect', () => process.exit())
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const tokens = Array.from({ length: Number(users) }, () => server.jwt.sign({ id: uuidv7() }))
  process.send?.({ url, tokens })
}

await serve(process.argv.slice(2))
