import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { Config } from '../config.ts'
import { buildApp, listen, ROOT } from './helpers.ts'

const run = promisify(execFile)
const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8')
const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false
)

t.test(
  'the walk in curl works as it is printed',
  { skip: !hasCurl && 'curl is not installed' },
  async (t) => {
    const { url } = await listen(t)
    const block = /<!-- walk -->\n```sh\n(.*?)```/s.exec(readme)?.[1] as string
    const script = `set -eu\ncurl() { command curl "$@"; echo; }\n${block.replace('http://127.0.0.1:3000', url)}`
    const { stdout } = await run('bash', ['-c', script], { cwd: ROOT })
    const answers = stdout
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
    t.match(stdout.trim(), /\n204$/)
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
  for (const [, file] of documents.matchAll(/\]\((?!https?:)([^)]+)\)/g))
    t.ok(existsSync(path.join(ROOT, file as string)), `${file}`)
  const layout = /## Layout\n\n```\n(.*?)```/s.exec(readme)?.[1] as string
  for (const [, entry] of layout.matchAll(/^(\S+)/gm))
    t.ok(existsSync(path.join(ROOT, entry as string)), `${entry}`)
})
