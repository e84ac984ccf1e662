import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { type PostgresServer, startPostgres } from '../../../scripts/postgres-server.ts'

const NOBODY = 65534
const IS_ROOT = process.getuid?.() === 0
const REPLICATING = { shared_buffers: '32MB', wal_level: 'replica', max_wal_senders: '4', fsync: 'off' }

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A server of the test's own, which can end and start again at the same place. */
export class OwnServer {
  readonly port: number
  readonly #settings: Record<string, string>
  #server: PostgresServer | undefined
  #folder: string | undefined

  static async start(t: Test, settings: Record<string, string> = {}, folder?: string): Promise<OwnServer> {
    const server = new OwnServer(await freePort(), { ...REPLICATING, ...settings }, folder)
    t.teardown(() => server.#delete())
    await server.start()
    return server
  }

  private constructor(port: number, settings: Record<string, string>, folder: string | undefined) {
    this.port = port
    this.#settings = settings
    this.#folder = folder
  }

  get url(): string {
    return `postgres://library@127.0.0.1:${this.port}/postgres`
  }

  async start(more: Record<string, string> = {}): Promise<void> {
    const folder = this.#folder === undefined ? {} : { folder: this.#folder }
    this.#server = await startPostgres({
      port: this.port,
      settings: { ...this.#settings, ...more },
      ...folder
    })
    this.#folder = this.#server.folder
  }

  /** With `SIGINT` in order, with `SIGQUIT` as in a crash. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    await this.#server?.stop(signal)
    this.#server = undefined
  }

  /** What it has now, while it has ended; gives what brings that back. */
  keepState(): () => void {
    const folder = this.#folder as string
    cpSync(folder, `${folder}-kept`, { recursive: true })
    return () => {
      rmSync(folder, { recursive: true })
      renameSync(`${folder}-kept`, folder)
      own(folder)
    }
  }

  /** A server that gets all that this one writes, which must have ended. */
  startStandby(t: Test): Promise<OwnServer> {
    return this.#startCopy(t, ['standby.signal'], {
      primary_conninfo: `host=127.0.0.1 port=${this.port} user=library`
    })
  }

  /** A server with what this one has, which must have ended, and with nothing of what it writes later. */
  startCopy(t: Test): Promise<OwnServer> {
    return this.#startCopy(t)
  }

  #startCopy(t: Test, files: string[] = [], settings: Record<string, string> = {}): Promise<OwnServer> {
    const folder = mkdtempSync(path.join(tmpdir(), 'library-postgres-'))
    cpSync(this.#folder as string, folder, { recursive: true })
    for (const file of files) writeFileSync(path.join(folder, file), '')
    own(folder)
    return OwnServer.start(t, settings, folder)
  }

  async #delete(): Promise<void> {
    await this.stop('SIGQUIT')
    rmSync(this.#folder as string, { recursive: true, force: true })
  }
}

function own(folder: string): void {
  chmodSync(folder, 0o700)
  if (IS_ROOT) spawnSync('chown', ['-R', `${NOBODY}:${NOBODY}`, folder])
}

/** Where a server, which may be another user, can read its certificate and key. */
export function ownedCopies(t: Test): { ssl: string; ssl_cert_file: string; ssl_key_file: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['server.pem', 'server.key']) {
    copyFileSync(path.join(import.meta.dirname, 'tls', name), path.join(folder, name))
    chmodSync(path.join(folder, name), 0o600)
  }
  if (IS_ROOT)
    for (const name of ['', 'server.pem', 'server.key']) chownSync(path.join(folder, name), NOBODY, NOBODY)
  return {
    ssl: 'on',
    ssl_cert_file: path.join(folder, 'server.pem'),
    ssl_key_file: path.join(folder, 'server.key')
  }
}

export const HAS_PGBOUNCER = spawnSync('pgbouncer', ['--version']).status === 0

/** The same database by way of PgBouncer, which gives each transaction one of three connections. */
export async function startPgBouncer(
  t: Test,
  databaseUrl: string,
  mode: 'transaction' | 'session' = 'transaction'
): Promise<string> {
  const url = new URL(databaseUrl)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-pgbouncer-'))
  const port = await freePort()
  const password = url.password === '' ? '' : ` password=${decodeURIComponent(url.password)}`
  const file = path.join(folder, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
* = host=${url.hostname} port=${url.port} user=${url.username}${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
server_round_robin = 1
default_pool_size = ${mode === 'transaction' ? 3 : 50}
`
  )
  chmodSync(folder, 0o755)
  const user = IS_ROOT ? { uid: NOBODY, gid: NOBODY } : {}
  const bouncer = spawn('pgbouncer', [file], { ...user, stdio: 'ignore' })
  t.teardown(async () => {
    bouncer.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  await connectable(port)
  url.port = String(port)
  return mode === 'transaction' ? `${url.href}?prepare=off` : url.href
}

async function connectable(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('close', () => socket.destroy())
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await sleep(25)
  }
  throw new Error('PgBouncer did not start')
}
