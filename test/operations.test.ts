/** What docs/operations.md names is there, and what is there it names. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
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

const OF_USERS = ['start', 'authors', 'seed']

t.test('each command of the operator ends with a line that tells it', async (t) => {
  // Beneath a file no command can do anything.
  const DATABASE_URL = path.join(t.testdir({ file: '' }), 'file/no.db')
  const folder = path.dirname(DATABASE_URL)
  const commands = firstCells('Commands').filter((command) => !OF_USERS.includes(command))
  const more: Record<string, string[]> = {
    user: ['unlock', 'salman'],
    keys: ['list'],
    move: [DATABASE_URL, `${DATABASE_URL}.copy`],
    'db migrate': ['latest'],
    backup: [folder],
    verify: [folder],
    restore: [folder]
  }
  const env = { ...process.env, LOG_LEVEL: 'info', DATABASE_URL }
  const told = commands.map(async (command) => {
    const words = [...command.split(' '), ...(more[command] ?? [])]
    const child = spawn(process.execPath, ['bin/library.js', ...words], { cwd: ROOT, env })
    const [lines] = await Promise.all([text(child.stderr), child.stdout.resume(), once(child, 'close')])
    return JSON.parse(lines.trim().split('\n').at(-1) as string)
  })
  const expected = commands.map((command) => ({
    event: 'operator_command',
    command: new RegExp(`^${command}( |$)`),
    operator: /^.+@.+$/,
    exit_code: 1
  }))
  t.ok(commands.length > 8)
  t.match(await Promise.all(told), expected)
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
