/** PostgreSQL servers that can be killed and copied, and followed by others. Linux only. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { WITHOUT_PROFILE } from '../bash.ts'
import { fillDataFolder, type PostgresServer, startPostgres } from '../postgres-server.ts'

const USER = 'library'
const PASSWORD = 'library'
export const DATABASE = 'library'
const SETTINGS = {
  max_connections: '100',
  shared_buffers: '64MB',
  // As much as a new standby can be behind.
  wal_keep_size: '1GB'
}
/** What belongs to one server alone (https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP-DATA). */
const NOT_COPIED = [
  'pg_wal/*',
  'pg_replslot/*',
  'pg_dynshmem/*',
  'pg_notify/*',
  'postmaster.pid',
  'postmaster.opts'
]
const PATIENCE_MS = 60_000

/** A server that can be killed, copied and promoted. */
export class Postgres {
  readonly folder: string
  readonly port: number
  #server: PostgresServer | undefined

  constructor(folder: string, port: number) {
    this.folder = folder
    this.port = port
  }

  /** Makes an empty one. */
  initialise(): void {
    mkdirSync(this.folder, { mode: 0o700 })
    fillDataFolder(this.folder)
  }

  async start(): Promise<void> {
    const { folder, port } = this
    this.#server = await startPostgres({ port, settings: SETTINGS, folder })
  }

  /** Ends all its processes as a power cut would. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const processes = [server.pid, ...childrenOf(server.pid)]
    for (const pid of processes) killIfThere(pid, 'SIGKILL')
    await server.stop('SIGKILL')
    while (processes.some((pid) => killIfThere(pid, 0))) await sleep(5)
  }

  /** Makes this one a standby of another, which goes on serving meanwhile; it follows once it is started. */
  async copy(primary: Postgres): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true })
    const label = await primary.use(async (client) => {
      await client.query("select pg_backup_start('standby', fast => true)")
      await copyFolder(primary.folder, this.folder)
      const { rows } = await client.query('select labelfile from pg_backup_stop(wait_for_archive => false)')
      return rows[0].labelfile as string
    })
    const { port } = primary
    const source = `host=127.0.0.1 port=${port} user=${USER} password=${PASSWORD} application_name=standby`
    this.#write('backup_label', label)
    this.#write('standby.signal', '')
    this.#write('postgresql.auto.conf', `primary_conninfo = '${source}'\n`)
  }

  /** Makes the standby the primary. */
  async promote(): Promise<void> {
    await this.use((client) => client.query('select pg_promote(wait => true)'))
  }

  /** A standby that does not hear of its primary any more. */
  async stopFollowing(): Promise<void> {
    await this.use(async (client) => {
      await client.query("alter system set primary_conninfo = ''")
      await client.query('select pg_reload_conf()')
      const isAlone = async () =>
        (await client.query('select pid from pg_stat_wal_receiver')).rows.length === 0
      await until(isAlone, 'the standby follows still')
    })
  }

  /** Whether its commits wait until they are on the disk of the standby. */
  async setSynchronous(isOn: boolean): Promise<void> {
    await this.use(async (client) => {
      await client.query(`alter system set synchronous_standby_names = '${isOn ? '*' : ''}'`)
      await client.query('select pg_reload_conf()')
      if (isOn) await until(() => this.#isStandbySynchronous(client), 'no standby is synchronous')
    })
  }

  /** Ends connections as an operator would; tells how many. */
  async terminate(where: string): Promise<number> {
    return this.use(async (client) => {
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where pid <> pg_backend_pid() and backend_type = 'client backend' and ${where}`
      )
      return rowCount ?? 0
    })
  }

  async use<T>(work: (client: pg.Client) => Promise<T>, database = 'postgres'): Promise<T> {
    const client = new pg.Client({ connectionString: this.urlOf(database) })
    // A server that is killed meanwhile ends the query too.
    client.on('error', () => {})
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  urlOf(database: string): string {
    return databaseUrl(this.port, database)
  }

  async #isStandbySynchronous(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query("select 1 from pg_stat_replication where sync_state = 'sync'")
    return rows.length > 0
  }

  #write(name: string, text: string): void {
    const file = path.join(this.folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    const { uid, gid } = statSync(this.folder)
    chownSync(file, uid, gid)
  }
}

/** Of a server that goes on writing: what changes meanwhile is mended from its log. */
async function copyFolder(from: string, to: string): Promise<void> {
  const { uid, gid } = statSync(from)
  mkdirSync(to, { mode: 0o700 })
  chownSync(to, uid, gid)
  const excluded = NOT_COPIED.map((name) => `--exclude=./${name}`).join(' ')
  const quiet = '--warning=no-file-changed --warning=no-file-removed --ignore-failed-read'
  const copy = `tar -C "$0" ${quiet} ${excluded} -cf - . | tar -C "$1" -xpf -`
  await promisify(execFile)('bash', [...WITHOUT_PROFILE, copy, from, to])
}

/** None where it has ended by itself. */
function childrenOf(pid: number): number[] {
  if (!existsSync(`/proc/${pid}`)) return []
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.split(' ').filter(Boolean).map(Number)
}

/** Whether the process was there. */
function killIfThere(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

export function databaseUrl(port: number, database = DATABASE): string {
  return `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`
}

/** Waits until it is so. */
export async function until(
  isSo: () => Promise<boolean> | boolean,
  fault: string,
  ms = PATIENCE_MS
): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`${fault} after ${ms / 1000} s`)
    await sleep(20)
  }
}

/** Ports of 127.0.0.1 on which nobody listens. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
