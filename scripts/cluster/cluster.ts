/** Three instances of the service, a PostgreSQL with a synchronous standby, and haproxy in front of both. */
import { chmodSync } from 'node:fs'
import path from 'node:path'
import type { Client } from '../crash/requests.ts'
import { type Service, signIn, startService } from '../service-process.ts'
import { Haproxy } from './haproxy.ts'
import { DATABASE, databaseUrl, freePorts, Postgres } from './postgres.ts'

const INSTANCES = 3
const VARIABLES = { ACCESS_TOKEN_TTL: '86400', TRUST_PROXY: 'loopback', LOG_LEVEL: 'fatal' }

export class Cluster {
  /** Through the balancer, as all clients come. */
  readonly url: string
  readonly #ports: number[]
  readonly #databaseUrl: string
  readonly #databases: Postgres[]
  #primary = 0
  #balancer!: Haproxy
  #instances: Service[] = []
  #headers: Client['headers'] = {}
  #userId = ''

  private constructor(folder: string, [http = 0, database = 0, ...ports]: number[]) {
    this.url = `http://127.0.0.1:${http}`
    this.#databaseUrl = databaseUrl(database)
    this.#databases = ports
      .slice(0, 2)
      .map((port, index) => new Postgres(path.join(folder, `data${index}`), port))
    this.#ports = ports.slice(2)
  }

  /** Starts all of it in this folder. */
  static async start(folder: string): Promise<Cluster> {
    // Who is root runs PostgreSQL as another user.
    chmodSync(folder, 0o711)
    const ports = await freePorts(4 + INSTANCES)
    const cluster = new Cluster(folder, ports)
    try {
      await cluster.#start(folder, ports)
      return cluster
    } catch (error) {
      await cluster.end()
      throw error
    }
  }

  async #start(
    folder: string,
    [http = 0, database = 0, a = 0, b = 0, ...instances]: number[]
  ): Promise<void> {
    this.primary.initialise()
    await this.primary.start()
    await this.primary.use((client) => client.query(`create database ${DATABASE}`))
    await this.addStandby()
    this.#balancer = await Haproxy.start(folder, { http, database, instances, databases: [a, b] })
    // All at once, as a deployment would, on an empty database.
    this.#instances = await Promise.all(instances.map((port) => this.#startInstance(port)))
    await this.#balancer.settle()
    const { authorization = '' } = await signIn(this.url)
    this.#headers = { authorization }
    const me = await fetch(`${this.url}/me`, { headers: this.#headers })
    this.#userId = ((await me.json()) as { id: string }).id
  }

  get primary(): Postgres {
    return this.#databases[this.#primary] as Postgres
  }

  get standby(): Postgres {
    return this.#databases[1 - this.#primary] as Postgres
  }

  /** The user whose token the clients have. */
  get userId(): string {
    return this.#userId
  }

  get client(): Client {
    return { url: this.url, headers: this.#headers }
  }

  /** One for each instance, past the balancer. */
  get instanceClients(): Client[] {
    return this.#instances.map(({ url }) => ({ url, headers: this.#headers }))
  }

  /** One after the other, as a new version is rolled out. */
  async restartAll(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    for (let index = 0; index < INSTANCES; index++) {
      await this.#instances[index]?.end(signal)
      await this.startAgain(index)
    }
  }

  /** Kills an instance, and waits until it is gone. */
  async killInstance(index: number): Promise<void> {
    await this.#instances[index]?.end('SIGKILL')
  }

  async startAgain(index: number): Promise<void> {
    this.#instances[index] = await this.#startInstance(this.#ports[index] as number)
    await this.#balancer.settle()
  }

  /** Kills the primary, and has the standby in its place. */
  async failOver(): Promise<void> {
    await this.primary.kill()
    await this.standby.promote()
    await this.#balancer.switchDatabase(this.#primary, 1 - this.#primary)
    this.#primary = 1 - this.#primary
  }

  /** Makes a standby of what the primary has, and has commits wait for it from then on. */
  async addStandby(): Promise<void> {
    await this.standby.copy(this.primary)
    await this.standby.start()
    await this.primary.setSynchronous(true)
  }

  async end(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.end('SIGKILL')))
    await this.#balancer?.end()
    await Promise.all(this.#databases.map((database) => database.kill()))
  }

  #startInstance(port: number): Promise<Service> {
    return startService(this.#databaseUrl, { ...VARIABLES, PORT: String(port) })
  }
}
