import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { differencesOf } from '../../scripts/wire/comparing.ts'
import { Normaliser } from '../../scripts/wire/normaliser.ts'
import { record } from '../../scripts/wirerecord.ts'
import { ENGINES, newDatabase } from '../engines.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

async function recordingOf(t: Test, folder = ROOT, databaseUrl = newFile(t)): Promise<string> {
  let text = ''
  const write = (more: string) => {
    text += more
  }
  await record({
    folder,
    place: { databaseUrl },
    write,
    acts: ['authors']
  })
  return text
}

const newFile = (t: Test) => path.join(temporaryFolder(t), 'library.db')

/** The service with some of its source changed. */
function copyWith(t: Test, changes: [file: string, before: string, after: string][]): string {
  const folder = temporaryFolder(t)
  const parts = [
    ...readdirSync(ROOT).filter((name) => /\.[jt]s$/.test(name)),
    ...[
      'bin',
      'cluster',
      'db',
      'migrations',
      'package.json',
      'plugins',
      'process',
      'routes',
      'schemas',
      'scripts'
    ]
  ]
  for (const part of parts) cpSync(path.join(ROOT, part), path.join(folder, part), { recursive: true })
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'))
  for (const [file, before, after] of changes) {
    const source = readFileSync(path.join(folder, file), 'utf8')
    t.ok(source.includes(before), `${file} has what is changed`)
    writeFileSync(path.join(folder, file), source.replace(before, after))
  }
  return folder
}

const onAnother = { context: { engine: ENGINES.at(-1) } }

t.test(
  'the same service answers the same on each engine, and another header or value is seen',
  onAnother,
  async (t) => {
    const first = await recordingOf(t)
    t.match(first, /\n=== \d+ POST \/authors .*\nHTTP\/1.1 201 Created\n/)
    t.match(first, '"created_at":"<time of step ')
    t.strictSame(differencesOf(first, await recordingOf(t, ROOT, await newDatabase(t))), [])
    const other = copyWith(t, [
      ['plugins/not-found.ts', "'accept-patch':", "'accept-patches':"],
      ['db/authors/content.ts', 'booker_prize: booker_prize ?? false', 'booker_prize: booker_prize ?? true']
    ])
    const differences = differencesOf(first, await recordingOf(t, other)).join('\n')
    t.match(differences, /=== \d+ OPTIONS .*\n- accept-patch: (.*)\n\+ accept-patches: \1\n/)
    t.match(differences, /PATCH .*\n(?:.*\n)*- .*"booker_prize":false.*\n\+ .*"booker_prize":true/)
  }
)

t.test('what cannot be the same twice gets a number or the step in which it was made', async (t) => {
  const normaliser = new Normaliser()
  normaliser.learn({
    step: 7,
    from: Date.parse('2026-11-26T03:59:59.990Z'),
    to: Date.parse('2026-11-26T04:00:01.000Z')
  })
  const id = '019ab3f6-1d2e-7c44-9b1a-5e6f7a8b9c0d'
  for (const [text, expected] of [
    [`${id} ${NOBODY} ${id}`, '<id 1> <id 2> <id 1>'],
    [id.toUpperCase(), '<id 1> in capitals'],
    ['"5e6f7a8b9c0d.2", W/"5e6f7a8b9c0e.1"', '"<id 1>.2", W/"<half of an id 1>.1"'],
    ['?cursor=abc&x cursor=def cursor=abc', '?cursor=<cursor 1>&x cursor=<cursor 2> cursor=<cursor 1>'],
    ['2026-11-26T04:00:00.500Z', '<time of step 7>'],
    ['2026-12-26T04:00:00.500Z', '<end of a session of step 7>'],
    [
      '2026-11-26T04:00:02.000Z 2100-01-02T01:04:05.000Z',
      '2026-11-26T04:00:02.000Z 2100-01-02T01:04:05.000Z'
    ],
    [`lrt_${id}.${'a'.repeat(22)}.${'b'.repeat(43)}`, 'lrt_<id 1>.<family 1>.<secret 1>'],
    [`library_${'a'.repeat(36)}`, '<key 1>'],
    ['"login";r=9;t=899', '"login";r=9;t=<seconds>'],
    [
      'event: progress\ndata: {"bytes":1}\n\nevent: progress\ndata: {"bytes":2}\n\n',
      'event: progress\ndata: {"bytes":<any>}\n\n'
    ]
  ] as const) {
    t.equal(normaliser.normalise(text), expected)
  }
})

const NOBODY = '01900000-0000-7000-8000-000000000000'

t.test('two recordings are compared step by step', async (t) => {
  const folder = temporaryFolder(t)
  const step = (number: number, body: string) => `\n=== ${number} GET /x\nHTTP/1.1 200 OK\n\n${body}\n`
  const [before, after] = [path.join(folder, 'before'), path.join(folder, 'after')]
  writeFileSync(before, step(1, 'same') + step(2, `${'x'.repeat(1000)}a`))
  writeFileSync(after, step(1, 'same') + step(2, `${'x'.repeat(1000)}b`) + step(3, 'more'))
  const compare = (...files: string[]) =>
    spawnSync(process.execPath, ['scripts/wirerecord.ts', '--compare', ...files], { cwd: ROOT })
  const { status, stdout } = compare(before, after)
  t.equal(status, 1)
  t.match(String(stdout), /^=== 2 GET \/x\n- …x{120}a\n\+ …x{120}b\n\nonly one has === 3 GET \/x\n$/)
  t.match(compare(before, before), { status: 0, stdout: Buffer.from('The recordings are equal.\n') })
  const { status: wrong, stderr } = compare(before)
  t.equal(wrong, 1)
  t.match(String(stderr), /^usage: /)
})
