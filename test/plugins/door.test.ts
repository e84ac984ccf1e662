import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { app, serverOptions } from '../../app.ts'
import { loadConfig } from '../../config.ts'
import type { AnswerForm, CallerCredential } from '../../db/command.ts'
import { purgeAnswersOf, purgeAuthor } from '../../db/commands/author-purges.ts'
import { createAuthor } from '../../db/commands/authors.ts'
import { logOut } from '../../db/commands/sessions.ts'
import { changeUser } from '../../db/commands/users.ts'
import { newDatabase, test } from '../engines.ts'
import { AUTHOR, buildApp, directly, ROOT, signIn, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)

/** By what right a token's requests are made. */
async function credentialOf(server: FastifyInstance, token: string): Promise<CallerCredential> {
  const { sub, sid } = await server.accessTokens.verify(token)
  return { id: sub, role: 'editor', sessionId: sid }
}

test('a command runs only for who may ask for it at that moment', async (t) => {
  const server = await buildApp(t)
  const { id, token, headers } = await signIn(server)
  const credential = await credentialOf(server, token)
  const create = (caller: CallerCredential | 'service', book: string) =>
    server.run(caller, createAuthor, { content: { ...AUTHOR, book } })
  const other = await signIn(server, 'anita')

  t.match(await create(credential, 'Grimus'), { location: '/authors/salman-rushdie' })
  await t.rejects(create('service', 'Shame'), { code: 'INVALID_TOKEN' }, 'nobody is signed in')
  await t.rejects(
    create({ ...credential, id: other.id }, 'Shame'),
    { code: 'INVALID_TOKEN' },
    "another's session"
  )
  const { sessionId: _, ...without } = credential
  await t.rejects(create(without, 'Shame'), { code: 'INVALID_TOKEN' }, 'neither a session nor a key')
  await t.rejects(create({ ...without, keyHash: 'made up' }, 'Shame'), { code: 'INVALID_TOKEN' })
  const promote = server.run(credential, changeUser, { userId: id, role: 'admin' })
  await t.rejects(promote, { code: 'ROLE_REQUIRED' }, 'an editor')

  const db = directly(t, server)
  await db.updateTable('users').set({ role: 'reader' }).where('id', '=', id).execute()
  await t.rejects(create(credential, 'Shame'), { code: 'ROLE_REQUIRED' }, 'no longer an editor')
  await db.updateTable('users').set({ role: 'editor' }).where('id', '=', id).execute()
  await server.inject({ method: 'POST', url: '/logout', headers })
  await t.rejects(create(credential, 'Shame'), { code: 'INVALID_TOKEN' }, 'the session has just ended')
  t.strictSame(
    (await db.selectFrom('authors').select('book_key').execute()).map(({ book_key }) => book_key),
    ['grimus']
  )
})

test('who asks is judged by what those before it have written, also those that share its commit', async (t) => {
  const server = await buildApp(t)
  const one = await signIn(server, 'one')
  const other = await signIn(server, 'other')
  const admin = await signIn(server, 'admin')
  const db = directly(t, server)
  await db.updateTable('users').set({ role: 'admin' }).where('id', '=', admin.id).execute()
  const first = await credentialOf(server, one.token)
  const second = await credentialOf(server, other.token)
  const boss: CallerCredential = { ...(await credentialOf(server, admin.token)), role: 'admin' }
  let books = 0
  const create = (caller: CallerCredential, key: string = randomUUID(), book = `Book ${books++}`) =>
    server.runToAnswer(caller, createAuthor, { content: { ...AUTHOR, book } }, formOf(key))
  const endsOf = async (runs: Promise<unknown>[]) =>
    (await Promise.allSettled(runs)).map((end) => (end.status === 'fulfilled' ? 'done' : end.reason.code))

  t.strictSame(
    await endsOf([
      create(first),
      create(second),
      server.run(boss, changeUser, { userId: one.id, role: 'reader' }),
      create(first),
      create(second),
      server.run(boss, changeUser, { userId: one.id, role: 'editor' }),
      create(first),
      server.run(first, logOut, { only: first.sessionId }),
      create(first),
      create(second)
    ]),
    ['done', 'done', 'done', 'ROLE_REQUIRED', 'done', 'done', 'done', 'done', 'INVALID_TOKEN', 'done']
  )

  const [original, retry, reused] = await Promise.allSettled([
    create(second, 'a key', 'Shame'),
    create(second, 'a key', 'Shame'),
    server.runToAnswer(second, createAuthor, { content: AUTHOR }, formOf('a key', 'another request'))
  ])
  t.equal(original?.status, 'fulfilled')
  t.strictSame(retry, original, 'a request and its repetition have one answer')
  t.match(reused, { reason: { code: 'IDEMPOTENCY_KEY_REUSED' } })
  const { id } = await db
    .selectFrom('authors')
    .select('id')
    .where('book_key', '=', 'shame')
    .executeTakeFirstOrThrow()
  t.strictSame(
    await endsOf([
      create(second),
      server.run(boss, purgeAuthor, { idOrSlug: id, preconditions: {} }),
      server.run('service', purgeAnswersOf, { authorId: id, after: 0 }),
      create(second, 'a key', 'Shame')
    ]),
    ['done', 'done', 'done', 'AUTHOR_PURGED'],
    'nor is an answer kept of what was erased meanwhile'
  )
})

/** Of a creation that can be repeated. */
function formOf(key: string, fingerprint = 'the same request'): AnswerForm {
  return { status: 201, preferred: undefined, once: { key, fingerprint } }
}

test('a route that would write without the door writes nothing, and is told so in its log', async (t) => {
  const lines: string[] = []
  const config = loadConfig({ DATABASE_URL: await newDatabase(t), LOG_LEVEL: 'error' })
  const options = serverOptions(config)
  const server = Fastify({
    ...options,
    logger: { level: 'error', stream: { write: (line) => lines.push(line) } }
  })
  t.teardown(() => server.close())
  await server.register(app, { config })
  const user = { key: 'stolen', points: 1, expires_at: 1 }
  server.post('/shortcut', async () => {
    // @ts-expect-error: the types do not offer it either
    await server.db.insertInto('rate_limits').values(user).execute()
  })
  server.post('/transaction', async () => {
    // @ts-expect-error: nor a transaction
    await server.db.transaction().execute((trx) => trx.insertInto('rate_limits').values(user).execute())
  })
  for (const url of ['/shortcut', '/transaction']) {
    const answer = await server.inject({ method: 'POST', url })
    t.equal(answer.statusCode, 500)
    t.match(lines.pop(), /Only a command may write|readonly/)
  }
  t.strictSame(await server.db.selectFrom('rate_limits').selectAll().execute(), [])
})

t.test('the linter refuses what could write without the door', async (t) => {
  const folder = temporaryFolder(t)
  cpSync(path.join(ROOT, 'biome.json'), path.join(folder, 'biome.json'))
  const ways = [
    "import type { Db } from '../../db/tables.ts'",
    "import { Kysely } from 'kysely'",
    "import Sqlite from 'better-sqlite3'",
    "import { runCall } from '../../db/door.ts'",
    "import { runTogether } from '../../db/together.ts'",
    "import { Writer } from '../../db/sqlite/writing/writer.ts'"
  ]
  const lint = async (room: string, code: string) => {
    mkdirSync(path.join(folder, room), { recursive: true })
    writeFileSync(path.join(folder, room, 'index.ts'), code)
    const biome = path.join(ROOT, 'node_modules/.bin/biome')
    const linting = run(biome, ['lint', '--vcs-enabled=false', path.join(room, 'index.ts')], { cwd: folder })
    return linting.then(
      () => 'fine',
      ({ stderr }) => String(stderr)
    )
  }
  for (const room of ['routes/shelves', 'plugins/shelves']) {
    for (const way of ways)
      t.match(await lint(room, `${way}\n`), /What writes is a command/, `${room}: ${way}`)
    t.equal(
      await lint(room, "import type { ReadDb } from '../../db/tables.ts'\nexport type Reads = ReadDb\n"),
      'fine'
    )
  }
})
