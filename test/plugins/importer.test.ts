/** The thread of imports, as it ends. */
import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { Worker } from 'node:worker_threads'
import type { Test } from 'tap'
import type { ImportJob } from '../../plugins/transfers/import-job.ts'
import { Importer, type ImportWatcher } from '../../plugins/transfers/importer.ts'
import { whileSpooled } from '../../plugins/transfers/spool.ts'
import { withStagedFile } from '../../plugins/transfers/staged-files.ts'
import { test } from '../engines.ts'
import { AUTHOR, buildApp, directly, signIn } from '../helpers.ts'

async function openImporter(t: Test) {
  const server = await buildApp(t)
  const { id } = await signIn(server)
  const { id: sessionId } = await directly(t, server)
    .selectFrom('sessions')
    .select('id')
    .executeTakeFirstOrThrow()
  const user = { id, role: 'editor', sessionId } as const
  const importer = new Importer()
  t.teardown(() => importer.close())
  const database = server.config.DATABASE_URL
  const dryRun = { mediaType: 'application/x-ndjson', mode: 'all', dryRun: true, ownerId: id } as const

  /** `meanwhile` is done amid it. */
  function importOne(
    meanwhile: () => unknown = noop,
    authors: object[] = [AUTHOR],
    job: Partial<ImportJob> = {}
  ) {
    const watcher: ImportWatcher = {
      async runCommand(command, input) {
        await meanwhile()
        return server.run(user, command, input)
      },
      onRows: noop
    }
    const source = Readable.from(authors.map((author) => Buffer.from(`${JSON.stringify(author)}\n`)))
    return whileSpooled(source, server.databaseFiles, noop, (fd) =>
      withStagedFile(server.databaseFiles, (staged) =>
        importer.run(
          { job: { ...dryRun, ...job }, files: { database, staged }, fd, refused: undefined },
          watcher
        )
      )
    )
  }
  return { importer, importOne }
}

function noop(): void {}

test('a thread that fails while it is ended takes nothing with it', async (t) => {
  const { importer, importOne } = await openImporter(t)
  const started = once(process, 'worker')
  await importOne()
  const [thread] = (await started) as [Worker]
  const ended = importer.close()
  thread.emit('error', new Error('out of memory'))
  await ended
  t.equal(thread.threadId, -1)
})

test('an import that comes while the thread is ended gets another', async (t) => {
  const { importer, importOne } = await openImporter(t)
  t.match(await importOne(), { created: 1 })
  const ended = importer.close()
  t.match(await importOne(), { created: 1 })
  await ended
  t.match(await importOne(), { created: 1 })
})

test('an import whose thread is ended fails, and the next one gets another', async (t) => {
  const { importer, importOne } = await openImporter(t)
  const started = once(process, 'worker')
  const cutShort = importOne(async () => {
    const [thread] = (await started) as [Worker]
    await thread.terminate()
  })
  await t.rejects(cutShort, { message: 'an import ended with exit code 1' })
  t.match(await importOne(), { created: 1 })
  await t.rejects(
    importOne(() => importer.close()),
    { message: 'an import ended with exit code 1' }
  )
})

const manyAuthors = (name: string): object[] =>
  Array.from({ length: 1500 }, (_, i) => ({ ...AUTHOR, name: `${name} ${i % 1400}`, note: 'x'.repeat(3000) }))

test('a large file is written as a small one is, in each mode', async (t) => {
  const { importOne } = await openImporter(t)
  const [all, some] = [manyAuthors('All'), manyAuthors('Some').toSpliced(900, 0, { name: '' })]
  const [whole, partial] = [{ dryRun: false }, { dryRun: false, mode: 'partial' }] as const
  t.match(await importOne(noop, all), { created: 1400, unchanged: 100, refused: 0 })
  t.match(await importOne(noop, all, whole), { created: 1400, unchanged: 100, refused: 0 })
  t.match(await importOne(noop, some, whole), { created: 0, refused: 1, errors: [{ line: 901 }] })
  t.match(await importOne(noop, some, partial), { created: 1400, unchanged: 100, refused: 1 })
  t.match(await importOne(noop, some, partial), { created: 0, unchanged: 1500, refused: 1 })
})

test('a command that fails amid a large file leaves its threads to the next import', async (t) => {
  const { importOne } = await openImporter(t)
  let commands = 0
  function failLater() {
    commands += 1
    if (commands === 3) throw new Error('no more')
  }
  const partial = { dryRun: false, mode: 'partial' } as const
  await t.rejects(importOne(failLater, manyAuthors('Author'), partial), { message: 'no more' })
  t.match(await importOne(noop, manyAuthors('Author'), partial), { unchanged: 256 + 100, refused: 0 })
})

test('a large file is given up when the importer is closed amid it', async (t) => {
  const { importer, importOne } = await openImporter(t)
  let commands = 0
  function closeLater() {
    commands += 1
    return commands === 3 ? importer.close() : undefined
  }
  await t.rejects(importOne(closeLater, manyAuthors('Author'), { dryRun: false, mode: 'partial' }), {
    message: 'an import ended with exit code 1'
  })
  t.match(await importOne(noop, manyAuthors('Other')), { created: 1400, unchanged: 100 })
})
