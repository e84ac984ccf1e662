import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { Config } from '../config.ts'
import { WITHOUT_PROFILE } from '../scripts/bash.ts'
import { test } from './engines.ts'
import { buildApp, listen, ROOT, temporaryFolder } from './helpers.ts'

const run = promisify(execFile)
const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8')
const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false
)

interface Block {
  text: string
  isWalk: boolean
}

/** What one curl of the page was told to do, and what came of it. */
interface Call {
  block: number
  command: string
  exit: number
  /** That of its last answer. */
  status: string
  /** As a comment says, or 2xx. */
  expected: string
  complaints: string
}

/** The blocks of shell with curl in them, but for those after `<!-- not run -->`. */
function curlBlocks(page: string): Block[] {
  return [...page.matchAll(/(?:<!-- ([\w ]+) -->\n)?```sh\n(.*?)```/gs)]
    .map(([, mark, text = '']) => ({ mark, text, isWalk: mark === 'walk' }))
    .filter(({ mark, text }) => mark !== 'not run' && /^[^#\n]*\bcurl\b/m.test(text))
}

/** A comment directly above a curl may tell the status, as in `# The same again is refused (409).` */
const EXPECTATION = /^#.*\((\d{3})\).*(?=\n.*\bcurl\b)/gm

/**
 * curl as it is, but for a note of each call in the folder $NOTES.
 */
const CURL = `
curl() {
  local note exit=0
  note=$(mktemp "$NOTES/$(printf '%04d' "$(ls "$NOTES" | wc -l)").XXXXXX")
  cat "$NOTES/expected" >"$note" 2>/dev/null || echo 2xx >"$note"
  rm -f "$NOTES/expected"
  command curl "$@" --verbose --stderr "$note.log" || exit=$?
  printf '%s\n' "$exit" "$BLOCK" "curl $*" >>"$note"
  return $exit
}
`

function toScript(blocks: Block[], url: string): string {
  const parts = blocks.map(({ text }, index) => {
    const expecting = text.replace(EXPECTATION, (_comment, status) => `echo ${status} >"$NOTES/expected"`)
    // npx would look for a package of this name first, among those of the registry too.
    const local = expecting.replaceAll('npx library', 'node bin/library.js')
    return `BLOCK=${index}\nprintf '\\f'\n${local.replaceAll('http://127.0.0.1:3000', url)}`
  })
  return ['set -eu', CURL, ...parts].join('\n')
}

/** The blocks in one shell, as somebody would run them from top to bottom: what each printed, and every curl. */
async function runBlocks(t: Test, blocks: Block[]) {
  const { server, url } = await listen(t)
  const notes = temporaryFolder(t)
  const env = { ...process.env, NOTES: notes, DATABASE_URL: server.config.DATABASE_URL }
  const options = { cwd: folderWithOurFiles(t), env, timeout: 100_000 }
  const script = toScript(blocks, url)
  const {
    stdout,
    stderr,
    code = 0
  } = await run('bash', [...WITHOUT_PROFILE, script], options).catch((error) => error)
  return { code, stderr, printed: stdout.split('\f').slice(1) as string[], calls: readCalls(notes) }
}

/** The blocks may read our files, and their own files do not come among them. */
function folderWithOurFiles(t: Test): string {
  const folder = temporaryFolder(t)
  for (const name of readdirSync(ROOT)) symlinkSync(path.join(ROOT, name), path.join(folder, name))
  return folder
}

/** In their order. */
function readCalls(notes: string): Call[] {
  const names = readdirSync(notes).filter((name) => /^\d+\.\w+$/.test(name))
  return names.sort().map((name) => {
    const note = readFileSync(path.join(notes, name), 'utf8').trim()
    const [expected = '', exit, block, ...command] = note.split('\n')
    const complaints = readFileSync(path.join(notes, `${name}.log`), 'utf8')
    const status = [...complaints.matchAll(/^< HTTP\/\S+ (\d{3})/gm)].at(-1)?.[1] ?? ''
    return {
      block: Number(block),
      command: command.join('\n'),
      exit: Number(exit),
      status,
      expected,
      complaints
    }
  })
}

function isAsExpected({ exit, status, expected }: Call): boolean {
  return exit === 0 && (expected === '2xx' ? status.startsWith('2') : status === expected)
}

test('every block in curl works as it is printed, one after the other', {
  skip: !hasCurl && 'curl is not installed'
}, async (t) => {
  const blocks = curlBlocks(readme)
  const { code, stderr, printed, calls } = await runBlocks(t, blocks)
  for (const call of calls)
    t.ok(isAsExpected(call), `${call.status}, expected ${call.expected}: ${call.command}`, call)
  t.equal(code, 0, 'the shell ends well', { stderr })
  t.strictSame([...new Set(calls.map(({ block }) => block))], [...blocks.keys()], 'every block was run')

  const walk = printed[blocks.findIndex(({ isWalk }) => isWalk)] as string
  const answers = walk
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
  t.match(answers, [
    { username: 'salman' },
    { username: 'salman' },
    { slug: 'salman-rushdie', version: 1 },
    { data: [{ slug: 'salman-rushdie' }], next: null },
    { slug: 'salman-rushdie' },
    { version: 2, birth_year: 1947 }
  ])
  t.equal(answers.length, 6)
  t.match(walk.trim(), /\n204$/)
})

const PAGE = `
\`\`\`sh
BASE=http://127.0.0.1:3000
# There is none (404).
curl -s $BASE/nowhere | wc -c
curl -s $BASE/nowhere >nowhere.json
\`\`\`

<!-- not run -->
\`\`\`sh
curl -s $BASE/never
\`\`\`

\`\`\`sh
# curl is not run here.
npm start
\`\`\`

\`\`\`sh
# Told further up (404).

curl -s "$BASE/problems" -o problems.json
curl -s http://127.0.0.1:1 | cat
curl -s $BASE/health/live
\`\`\`
`

t.test(
  'a block whose answers are not as it tells is found',
  { skip: !hasCurl && 'curl is not installed' },
  async (t) => {
    const { code, printed, calls } = await runBlocks(t, curlBlocks(PAGE))
    t.equal(code, 0)
    t.equal(printed.at(-1)?.trim(), '{"status":"ok"}')
    t.match(
      calls.map((call) => ({ ...call, isGood: isAsExpected(call) })),
      [
        { block: 0, status: '404', expected: '404', isGood: true },
        { block: 0, status: '404', expected: '2xx', isGood: false },
        { block: 1, status: '200', expected: '2xx', isGood: true },
        { block: 1, exit: 7, status: '', isGood: false },
        { block: 1, status: '200', isGood: true, command: /^curl -s http.*\/health\/live$/ }
      ]
    )
    t.equal(calls.length, 5)
  }
)

t.test('the table of routes and the OpenAPI document name the same routes', async (t) => {
  const server = await buildApp(t)
  const { paths } = (await server.inject('/openapi.json')).json() as { paths: Record<string, object> }
  const actual = Object.entries(paths).flatMap(([url, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${url}`)
  )
  const printed = [...readme.matchAll(/`(GET|POST|PUT|PATCH|DELETE) ([^`]+)`/g)].map(
    ([, method, url]) => `${method} ${url}`
  )
  const notOfTheContract = ['GET /docs']
  t.strictSame(
    actual.filter((route) => !printed.includes(route)),
    [],
    'every route is in the README'
  )
  const unknown = printed.filter((route) => !actual.includes(route) && !notOfTheContract.includes(route))
  t.strictSame(unknown, [], 'and the README names no other')
})

t.test('the table of configuration names every variable with its default', async (t) => {
  const unpadded = readme.replace(/ +/g, ' ')
  for (const [name, { default: byDefault }] of Object.entries(Config.properties)) {
    const printed = byDefault === '' ? 'empty' : `\`${byDefault}\``
    t.ok(unpadded.includes(`| \`${name}\` | ${printed} |`), name)
  }
})

t.test('every file and script that the documents name is there', async (t) => {
  const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md']
    .map((name) => readFileSync(path.join(ROOT, name), 'utf8'))
    .join('\n')
  const scripts = Object.keys(JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).scripts)
  for (const [, name] of documents.matchAll(/npm run ([\w:-]+)/g))
    t.ok(scripts.includes(name as string), `npm run ${name}`)
  for (const [, place = ''] of documents.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
    const [file = '', section] = place.split('#')
    t.ok(existsSync(path.join(ROOT, file)), place)
    if (section === undefined) continue
    const page = file === '' ? documents : readFileSync(path.join(ROOT, file), 'utf8')
    const sections = [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchorOf(title))
    t.ok(sections.includes(section), place)
  }
  const layout = /## Layout\n\n```\n(.*?)```/s.exec(readme)?.[1] as string
  for (const [, entry] of layout.matchAll(/^(\S+)/gm))
    t.ok(existsSync(path.join(ROOT, entry as string)), `${entry}`)
})

/** As GitHub makes it of a heading. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-')
}
