/** haproxy in front of the instances of the service and of their databases. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { until } from './postgres.ts'

/** Where it is; undefined where it is not installed. */
export const HAPROXY = ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy', '/usr/bin/haproxy'].find(existsSync)

export interface Ports {
  http: number
  database: number
  instances: readonly number[]
  databases: readonly number[]
}

/** As docs/scaling.md has it, which a test compares. */
export const BACKEND = `
  balance roundrobin
  option forwardfor
  option httpchk GET /health/ready
  timeout check 5s
  option redispatch 1
  retries 3
  # A request that got no answer may have been done. Reading is safe to do again, and so is what has a key for that.
  retry-on conn-failure empty-response
  http-request disable-l7-retry unless { method GET HEAD } || { req.hdr(idempotency-key) -m found }
  http-error status 503 content-type application/problem+json string '{"title":"No instance is ready","status":503}' hdr Retry-After 5
  default-server check inter 500 fastinter 200 fall 2 rise 1 observe layer4 error-limit 1 on-error fastinter
`

function configuration({ http, database, instances, databases }: Ports, socket: string): string {
  return `
global
  maxconn 2000
  stats socket ${socket} mode 600 level admin

defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h

frontend clients
  bind 127.0.0.1:${http}
  default_backend instances

backend instances${BACKEND}
${instances.map((port, index) => `  server instance${index} 127.0.0.1:${port}`).join('\n')}

listen database
  mode tcp
  bind 127.0.0.1:${database}
  default-server on-marked-down shutdown-sessions
${databases.map((port, index) => `  server database${index} 127.0.0.1:${port}${index > 0 ? ' disabled' : ''}`).join('\n')}
`
}

/** The balancer as a process of its own. */
export class Haproxy {
  readonly #socket: string
  readonly #process: ChildProcess

  private constructor(child: ChildProcess, socket: string) {
    this.#process = child
    this.#socket = socket
  }

  static async start(folder: string, ports: Ports): Promise<Haproxy> {
    const file = path.join(folder, 'haproxy.cfg')
    const socket = path.join(folder, 'haproxy.sock')
    writeFileSync(file, configuration(ports, socket))
    const child = spawn(HAPROXY ?? 'haproxy', ['-db', '-f', file], { stdio: 'ignore' })
    const balancer = new Haproxy(child, socket)
    const answers = () =>
      balancer.#order('show info').then(
        () => true,
        () => child.exitCode !== null
      )
    await until(answers, 'haproxy did not start')
    if (child.exitCode !== null)
      throw new Error(`haproxy ended with ${child.exitCode}: see haproxy -c -f ${file}`)
    return balancer
  }

  /** Sends all connections to this database, and ends those to the others. */
  async switchDatabase(from: number, to: number): Promise<void> {
    await this.#order(`set server database/database${from} state maint`)
    await this.#order(`shutdown sessions server database/database${from}`)
    await this.#order(`set server database/database${to} state ready`)
  }

  /** Waits until all instances are served. */
  async settle(): Promise<void> {
    const states = async () =>
      (await this.#order('show servers state instances')).match(/ instance\d \S+ (\d)/g)
    await until(
      async () => (await states())?.every((state) => state.endsWith(' 2')) ?? false,
      'an instance is down'
    )
  }

  async end(): Promise<void> {
    const gone = once(this.#process, 'exit')
    if (this.#process.exitCode !== null || !this.#process.kill('SIGTERM')) return
    await gone
  }

  async #order(command: string): Promise<string> {
    const socket = connect(this.#socket)
    socket.end(`${command}\n`)
    return text(socket)
  }
}
