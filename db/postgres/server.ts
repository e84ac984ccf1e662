import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { type Address, readServerUrl, type ServerUrl } from './server-url.ts'

/** By which the server notices within a minute that a network was cut, so that what it has open for us does not pile up there. */
const KEEP_ALIVE = {
  tcp_keepalives_idle: 30,
  tcp_keepalives_interval: 10,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 60_000
}

export type Settings = Record<string, string | number>

/** Where connections lead, and how they are made. */
export class Server {
  /** As the configuration has it. */
  readonly url: string
  readonly #url: ServerUrl
  readonly #addresses: Address[]

  /** Throws an error that says what is wrong with the URL. */
  constructor(url: string) {
    this.url = url
    this.#url = readServerUrl(url)
    this.#addresses = [...this.#url.addresses]
  }

  get prepares(): boolean {
    return this.#url.prepares
  }

  /** So many connections a process opens at most. */
  get connections(): number {
    return this.#url.connections
  }

  get connectTimeoutMs(): number {
    return this.#url.connectTimeoutMs
  }

  /** The one that served last comes first: after a switch the others may take long to answer nothing. */
  get addresses(): readonly Address[] {
    return this.#addresses
  }

  prefer(address: Address): void {
    this.#addresses.splice(this.#addresses.indexOf(address), 1)
    this.#addresses.unshift(address)
  }

  /**
   * Statements for settings that hold for a connection as a whole, which a pooler in transaction mode does not keep together. They are no
   * `options` of its start, which PgBouncer refuses before 1.20. What the URL has as options stays.
   */
  settingsFor(settings: Settings = {}): string[] {
    if (!this.#url.prepares) return []
    const { options = '' } = this.#url
    const byDefault = Object.entries(KEEP_ALIVE).filter(([name]) => !options.includes(name))
    return [...byDefault, ...Object.entries(settings)].map(([name, value]) => `set ${name} = ${value}`)
  }

  /** What the driver takes. */
  configFor({ host, port }: Address, name: string) {
    const { user, password, database, applicationName, options, bindsChannel } = this.#url
    return {
      host,
      port,
      user,
      password,
      database,
      ssl: this.#tls(host),
      application_name: `${applicationName} ${name}`,
      enableChannelBinding: bindsChannel,
      connectionTimeoutMillis: this.connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5000,
      ...(options && { options })
    }
  }

  /** As libpq does: `require` encrypts and trusts everybody, and with a root certificate it is `verify-ca`. */
  #tls(host: string): false | ConnectionOptions {
    const { mode, ca, cert, key } = this.#url.tls
    if (mode === 'disable' || host.startsWith('/')) return false
    const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file, 'utf8'))
    const isSystemCa = ca === undefined || ca === 'system'
    return {
      rejectUnauthorized: mode !== 'require' || ca !== undefined,
      ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
      ...(!isSystemCa && { ca: read(ca) }),
      ...(cert !== undefined && { cert: read(cert), key: read(key) })
    } as ConnectionOptions
  }
}

/** Throws an error that says what is wrong with the URL. */
export function serverOf(databaseUrl: string): Server {
  return new Server(databaseUrl)
}
