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

  /** What the driver takes. The settings hold for the connection as a whole, which a pooler does not keep together. */
  configFor({ host, port }: Address, name: string, settings: Record<string, string | number> = {}) {
    const { user, password, database, applicationName, prepares, bindsChannel } = this.#url
    const parts = prepares
      ? [optionsOf(KEEP_ALIVE), this.#url.options, optionsOf(settings)]
      : [this.#url.options]
    const options = parts.filter(Boolean).join(' ')
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
      ...(options !== '' && { options })
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

function optionsOf(settings: Record<string, string | number>): string {
  return Object.entries(settings)
    .map(([key, value]) => `-c ${key}=${value}`)
    .join(' ')
}

/** Throws an error that says what is wrong with the URL. */
export function serverOf(databaseUrl: string): Server {
  return new Server(databaseUrl)
}
