#!/usr/bin/env node
/** `npx library COMMAND`: all that a user or an operator runs. It is JavaScript that an old Node can read too, to say so. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const USAGE = `usage: npx library COMMAND, each with --help
  start                         the service
  authors import|export FILE    authors in bulk, through the service
  seed [FILE]                   winners of the Booker Prize, through the service
  user COMMAND [NAME]           accounts, on the database itself
  keys COMMAND                  the keys that sign tokens
  move FROM TO                  all of one database to another, as from SQLite to PostgreSQL
  backup DIR                    a verified copy of the database, while the service runs
  verify DIR                    whether a backup is good
  restore DIR                   puts a backup in the place of the database
  db migrate|check|vacuum       the schema of the database, whether it is sound, and its size
  --version                     which version this is`

/** Where each is, by the words that name it. */
const COMMANDS = {
  start: 'server.js',
  authors: 'scripts/authors.ts',
  seed: 'scripts/seed.ts',
  user: 'scripts/user.ts',
  keys: 'scripts/keys.ts',
  move: 'scripts/move.ts',
  backup: 'scripts/backup.ts',
  verify: 'scripts/verify.ts',
  restore: 'scripts/restore.ts',
  'db migrate': 'scripts/migrate.ts',
  'db check': 'scripts/check.ts',
  'db vacuum': 'scripts/vacuum.ts'
}

const LOOK_EVERY_MS = 250

const START_USAGE = `usage: npx library start
Settings come from the environment or a file .env, such as PORT=8080; README.md names them all.`

/** A package has its JavaScript in dist/ (scripts/package.ts), a checkout needs none. */
const IS_CHECKOUT = existsSync(new URL('../main.ts', import.meta.url))

function fileOf(name) {
  const file = IS_CHECKOUT ? `../${name}` : `../dist/${name.replace(/\.ts$/, '.js')}`
  return fileURLToPath(new URL(file, import.meta.url))
}

/** Ends the process with a text. */
function end(text, exitCode) {
  if (exitCode === 0) console.log(text)
  else console.error(text)
  process.exit(exitCode)
}

function find(words) {
  for (const count of [1, 2]) {
    const name = words.slice(0, count).join(' ')
    if (Object.keys(COMMANDS).includes(name)) return { name, rest: words.slice(count) }
  }
  if (words.length === 0) return end(USAGE, 2)
  if (words.some((word) => ['--help', '-h', 'help'].includes(word))) return end(USAGE, 0)
  return end(`There is no command ${words.join(' ')}.\n${USAGE}`, 2)
}

/** What a signal to `npx` ends is the shell between it and this process, which is to end as well. */
function endWithShell() {
  if (process.env.npm_command !== 'exec') return
  const shell = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, LOOK_EVERY_MS).unref()
}

if (!process.features.typescript) {
  const remedy = IS_CHECKOUT
    ? 'after "npm ci", "npx library" brings it.'
    : 'install Node 24 (https://nodejs.org).'
  end(`Node ${process.versions.node} is too old, 22.18 or newer is needed: ${remedy}`, 1)
}
if (['--version', '-v'].includes(process.argv[2])) {
  const { describeBuild, readBuild } = await import(fileOf('plugins/build/version.ts'))
  end(describeBuild(readBuild()), 0)
}
const { name, rest } = find(process.argv.slice(2))
if (name === 'start' && rest.length > 0) {
  if (['--help', '-h'].includes(rest[0])) end(START_USAGE, 0)
  end(`start takes no ${rest[0]}.\n${START_USAGE}`, 2)
}
const file = fileOf(COMMANDS[name])
endWithShell()
// The command and the processes that it starts see themselves as if they had been run by their file.
process.argv = [process.execPath, file, ...rest]
await import(file)
