/** The programs that come with PostgreSQL, as they are found in PATH. */
import { type SpawnOptions, spawn } from 'node:child_process'
import { DatabaseRefused } from '../../refusals.ts'
import { readServerUrl } from '../server-url.ts'

export type Program = 'pg_dump' | 'pg_restore'

const MOST_TOLD = 500

/** Whoever restores owns what is restored, and who may use it is not taken over: those users may not be there. */
const RESTORE = ['--no-owner', '--no-privileges', '--no-password', '--exit-on-error']

/** Throws `DatabaseRefused` when a program is missing, or is older than the server, whose data it may not understand then. */
export async function refuseUnusable(program: Program, serverMajor: number): Promise<void> {
  const text = await run(program, ['--version'], {})
  const major = Number(/\) (\d+)/.exec(text)?.[1])
  if (major >= serverMajor) return
  throw new DatabaseRefused(
    `${program} in PATH is of version ${major}, and the server of ${serverMajor}: put the programs of PostgreSQL ${serverMajor} or newer first in PATH (in Debian: postgresql-client-${serverMajor}).`
  )
}

/** Runs one to its end, connected as a URL says if one is given, and gives what it prints, unless that is not wanted. Throws `DatabaseRefused` with what it complains of. */
export function run(
  program: Program,
  args: readonly string[],
  { url, isQuiet = false }: { url?: string; isQuiet?: boolean }
): Promise<string> {
  const options: SpawnOptions = {
    // biome-ignore lint/style/noProcessEnv: what is found in PATH, and the user's own files of libpq, are those of the environment.
    env: { ...process.env, LC_ALL: 'C', ...(url !== undefined && environmentOf(url)) },
    stdio: ['ignore', isQuiet ? 'ignore' : 'pipe', 'pipe']
  }
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, options)
    let [printed, complaints] = ['', '']
    child.stdout?.on('data', (data) => {
      printed += data
    })
    child.stderr?.on('data', (data) => {
      complaints = (complaints + data).slice(-MOST_TOLD)
    })
    child.once('error', (error) => reject(missing(program, error)))
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(printed)
      const reason = complaints.trim().replaceAll('\n', '; ') || `${signal ?? `exit code ${code}`}`
      reject(new DatabaseRefused(`${program} could not do it (${reason}).`))
    })
  })
}

/** Restores a dump to the database that a URL names, which has no tables yet. Throws `DatabaseRefused`. */
export async function restoreDump(url: string, file: string, more: readonly string[] = []): Promise<void> {
  const name = readServerUrl(url).database.replaceAll(/[\\']/g, '\\$&')
  await run('pg_restore', [...RESTORE, ...more, `--dbname=dbname='${name}'`, file], { url })
}

function missing(program: Program, { message, code }: NodeJS.ErrnoException): DatabaseRefused {
  const reason = code === 'ENOENT' ? 'is not in PATH' : `cannot be run (${message})`
  return new DatabaseRefused(
    `${program} ${reason}: install the client programs of PostgreSQL, of the version of the server or a newer one (in Debian: postgresql-client).`
  )
}

/** Where a program connects, as libpq reads it: nobody sees a password there, as they would among its arguments. */
function environmentOf(url: string): Record<string, string> {
  const { addresses, user, password, database, tls, connectTimeoutMs, options, bindsChannel } =
    readServerUrl(url)
  const variables = {
    PGHOST: addresses.map(({ host }) => host).join(','),
    PGPORT: addresses.map(({ port }) => port).join(','),
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: database,
    PGSSLMODE: tls.mode,
    PGSSLROOTCERT: tls.ca,
    PGSSLCERT: tls.cert,
    PGSSLKEY: tls.key,
    PGCONNECT_TIMEOUT: String(Math.ceil(connectTimeoutMs / 1000)),
    PGOPTIONS: options,
    PGCHANNELBINDING: bindsChannel ? 'prefer' : 'disable',
    PGTARGETSESSIONATTRS: 'read-write',
    PGAPPNAME: 'library-api backup'
  }
  return Object.fromEntries(
    Object.entries(variables).filter((pair): pair is [string, string] => pair[1] !== undefined)
  )
}
