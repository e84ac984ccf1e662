/** What a `DATABASE_URL` of a server says (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS). Loads nothing: the configuration reads it too. */

const DEFAULT_PORT = 5432
const DEFAULT_CONNECTIONS = 8
/** One writes, one listens, one reads, and one reads what takes long. */
const FEWEST_CONNECTIONS = 4
const MOST_CONNECTIONS = 100
const MOST_SECONDS = 60

export const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const
export type TlsMode = (typeof TLS_MODES)[number]

export interface Address {
  /** A name, an address, or the folder of a socket. */
  host: string
  port: number
}

/** A server, or several that are copies of one another, of which the one that takes writes is used. */
export interface ServerUrl {
  addresses: Address[]
  user: string | undefined
  password: string | undefined
  database: string
  tls: { mode: TlsMode; ca?: string; cert?: string; key?: string }
  /** False behind a pooler that gives each transaction another connection: nothing may outlive a transaction then. */
  prepares: boolean
  /** So many connections a process opens at most. */
  connections: number
  connectTimeoutMs: number
  applicationName: string
  /** Command-line options for the server's side of a connection. */
  options: string | undefined
  bindsChannel: boolean
}

/** Each of them takes a text, and says what is wrong with it by what it must be. */
const PARAMETERS: Record<string, { isGood: (text: string) => boolean; expects: string }> = {
  prepare: oneOf('on', 'off'),
  connections: wholeFrom(FEWEST_CONNECTIONS, MOST_CONNECTIONS),
  sslmode: oneOf(...TLS_MODES),
  sslrootcert: anything(),
  sslcert: anything(),
  sslkey: anything(),
  channel_binding: oneOf('disable', 'prefer', 'require'),
  connect_timeout: wholeFrom(1, MOST_SECONDS),
  application_name: anything(),
  options: anything(),
  host: anything(),
  // Others can be asked for nowhere else: a copy that only reads has what was acknowledged too late.
  target_session_attrs: oneOf('read-write', 'primary')
}

/** Why this names no server and database; undefined where it does. */
export function whyNoServer(text: string): string | undefined {
  const rest = text.replace(/^\w+:\/\//, '')
  const isCut = rest.lastIndexOf('@') > rest.search(/[/?#]/) && /[/?#]/.test(rest)
  const hint = isCut ? '; in a password write %2F for /, %3F for ? and %23 for #' : ''
  try {
    readServerUrl(text)
    return undefined
  } catch (error) {
    return `${(error as Error).message}${hint}`
  }
}

/** Throws an error that says what is wrong with it, and has nothing secret in it. */
export function readServerUrl(text: string): ServerUrl {
  const { user, password, hosts, path, query } = partsOf(text)
  const parameters = parametersOf(query)
  const database = decoded(path.slice(1))
  const named = parameters.get('host') ?? hosts
  if (named === '') throw new Error('no host is named')
  if (!/^\/[^/]+$/.test(path)) throw new Error('no database is named; add its name after the host and a /')
  return {
    addresses: named.split(',').map(addressOf),
    user: user === undefined ? undefined : decoded(user),
    password: password === undefined ? undefined : decoded(password),
    database,
    tls: tlsOf(parameters),
    prepares: parameters.get('prepare') !== 'off',
    connections: Number(parameters.get('connections') ?? DEFAULT_CONNECTIONS),
    connectTimeoutMs: Number(parameters.get('connect_timeout') ?? 5) * 1000,
    applicationName: parameters.get('application_name') ?? 'library-api',
    options: parameters.get('options'),
    bindsChannel: ['prefer', 'require'].includes(parameters.get('channel_binding') ?? 'disable')
  }
}

/** For people: without a password, and without what says how to connect. */
export function describeServer(text: string): string {
  const { protocol, user, hosts, path, query } = partsOf(text)
  const host = hosts === '' ? (parametersOf(query).get('host') ?? '') : hosts
  return `${protocol}//${user === undefined ? '' : `${user}@`}${host}${path}`
}

function partsOf(text: string) {
  const found = /^(postgres(?:ql)?:)\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(text)
  if (found === null) throw new Error('it is no URL')
  const [, protocol = '', authority = '', path = '', query = ''] = found
  const at = authority.lastIndexOf('@')
  const [user, ...password] = authority.slice(0, Math.max(at, 0)).split(':')
  return {
    protocol,
    user: at === -1 || user === '' ? undefined : user,
    password: password.length === 0 ? undefined : password.join(':'),
    hosts: authority.slice(at + 1),
    path,
    query
  }
}

function parametersOf(query: string): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query.replaceAll('+', '%2B'))) {
    const parameter = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined
    // Its name is not shown: after a ? that is not encoded it may be of the password.
    if (parameter === undefined)
      throw new Error(`it has a parameter that is not one of ${Object.keys(PARAMETERS).join(', ')}`)
    if (!parameter.isGood(value)) throw new Error(`the parameter ${name} must be ${parameter.expects}`)
    parameters.set(name, value)
  }
  return parameters
}

function addressOf(text: string): Address {
  const [, bracketed, plain, port = `${DEFAULT_PORT}`] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined)
    throw new Error('a host must be as in host, host:5432 or [::1]:5432, with commas between several')
  if (Number(port) < 1 || Number(port) > 65_535) throw new Error('a port must be from 1 to 65535')
  return { host: decoded(host), port: Number(port) }
}

function tlsOf(parameters: Map<string, string>): ServerUrl['tls'] {
  const mode = (parameters.get('sslmode') ??
    (parameters.has('sslrootcert') ? 'verify-full' : 'disable')) as TlsMode
  const files = {
    ca: parameters.get('sslrootcert'),
    cert: parameters.get('sslcert'),
    key: parameters.get('sslkey')
  }
  return { mode, ...Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined)) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(`a % that encodes nothing is written %25`)
  }
}

function oneOf(...values: string[]) {
  return { isGood: (text: string) => values.includes(text), expects: `one of ${values.join(', ')}` }
}

function wholeFrom(minimum: number, maximum: number) {
  const isGood = (text: string) =>
    /^\d{1,3}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum
  return { isGood, expects: `a whole number from ${minimum} to ${maximum}` }
}

function anything() {
  return { isGood: (text: string) => text !== '', expects: 'more than nothing' }
}
