/** What docs/operations.md names is there, and what is there it names. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { Config } from '../config.ts'
import { ROOT } from './helpers.ts'

const page = read('docs/operations.md')

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8')
}

/** What stands as code in the first cells of the rows of a section. */
function firstCells(heading: string): string[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  const rows = (section.split('\n## ')[0] as string).matchAll(/^\| (`.*?) \|/gm)
  return [...rows].flatMap(([, cell = '']) => codeIn(cell))
}

function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
}

/** The names that log lines have in our sources. */
function eventsLogged(): string[] {
  const files = globSync('{main.ts,{plugins,routes,cluster,process,scripts/command-line}/**/*.ts}', {
    cwd: ROOT
  })
  const names = files.flatMap((file) => [...read(file).matchAll(/\bevent(?:\.event ===|:) '(\w+)'/g)])
  return names.map(([, name = '']) => name)
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort()
}

t.test('each event that is logged is explained, and no other', async (t) => {
  const explained = firstCells('Logs')
  t.ok(explained.length > 30)
  t.strictSame(sorted(explained), sorted(eventsLogged()))
})

t.test('each command is explained, and no other', async (t) => {
  const { stdout } = spawnSync(process.execPath, ['bin/library.js', '--help'], {
    cwd: ROOT,
    encoding: 'utf8'
  })
  const listed = [...stdout.matchAll(/^ {2}([a-z]+(?: [a-z]+)?(?:\|[a-z]+)*)/gm)].flatMap(([, text = '']) =>
    commandsIn(text)
  )
  t.ok(listed.length > 5)
  t.strictSame(sorted(firstCells('Commands')), sorted(listed))
})

/** `db migrate|check` is two; `authors import|export` is one with two uses. */
function commandsIn(text: string): string[] {
  const [first = '', uses = ''] = text.split(' ')
  return first === 'db' ? uses.split('|').map((use) => `db ${use}`) : [first]
}

t.test('each setting that is named is one', async (t) => {
  const others = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGKILL', 'COMMIT', 'LISTEN']
  const named = codeIn(page).flatMap((code) => /^([A-Z][A-Z_]+)(?:=|$)/.exec(code)?.[1] ?? [])
  const unknown = named.filter((name) => !others.includes(name) && !Object.hasOwn(Config.properties, name))
  t.ok(named.length > 1)
  t.strictSame(unknown, [])
})

t.test('each file that is named is there', async (t) => {
  const linked = [...page.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, to = '']) => path.join('docs', to))
  const named = codeIn(page).filter((code) => /^(deploy|docs|scripts)\//.test(code))
  t.ok(linked.length > 2)
  t.strictSame(
    [...linked, ...named].filter((file) => !existsSync(path.join(ROOT, file))),
    []
  )
  const deployed = globSync('deploy/**/*.*', { cwd: ROOT })
  t.strictSame(
    deployed.filter((file) => !page.includes(file) && !page.includes(`../${file}`)),
    [],
    'each file to deploy is told of'
  )
})
