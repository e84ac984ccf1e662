import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism, homedir } from 'node:os'
import path from 'node:path'
import { parseEnv } from 'node:util'
import { type Static, Type } from '@sinclair/typebox'
import { envSchema } from 'env-schema'
import { BASE_FOLDER } from './db/base-folder.ts'
import { whyNoServer } from './db/dialect.ts'
import { HISTORY_KEEP } from './db/history/keeping.ts'

const OneOf = <const Values extends readonly string[]>(values: Values, byDefault: Values[number]) =>
  Type.Unsafe<Values[number]>({
    type: 'string',
    enum: values,
    default: byDefault,
    description: `one of ${values.join(', ')}`
  })

const Whole = (minimum: number, maximum: number, byDefault: number, unit = '') =>
  Type.Integer({
    minimum,
    maximum,
    default: byDefault,
    description: `a whole number${unit} from ${minimum} to ${maximum}`
  })

/** Every setting, as environment variables name it; each `description` says what the variable expects. */
export const Config = Type.Object({
  HOST: Type.String({
    format: 'host',
    default: '127.0.0.1',
    description: 'an address or host name of this machine, without a scheme or a port; 0.0.0.0 for all'
  }),
  PORT: Whole(0, 65535, 3000),
  DATABASE_URL: Type.String({
    format: 'database',
    default: 'data/library.db',
    description:
      'a file path, a sqlite: URL or a postgres: URL such as postgres://user:password@host:5432/library'
  }),
  KEYS_SECRET: Type.String({ default: '' }),
  KEYS_SECRET_FILE: Type.String({ default: '' }),
  WORKERS: Type.String({
    pattern: '^(auto|[1-9]|[1-5]\\d|6[0-4])$',
    default: '1',
    description: 'auto (one for each core) or a whole number from 1 to 64'
  }),
  LOG_LEVEL: OneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
  LOG_FORMAT: OneOf(['auto', 'json', 'text'], 'auto'),
  ACCESS_LOG: OneOf(['on', 'off'], 'off'),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.String({
    pattern: '^(https?://[^\\s?#]+)?$',
    default: '',
    description: 'empty, or the http:// or https:// URL of a collector, such as http://127.0.0.1:4318'
  }),
  ACCESS_TOKEN_TTL: Whole(1, 86400, 600, ' of seconds'),
  SESSION_IDLE_TTL: Whole(1, 31_536_000, 604_800, ' of seconds'),
  SESSION_TTL: Whole(1, 31_536_000, 2_592_000, ' of seconds'),
  REGISTRATION: OneOf(['open', 'closed'], 'open'),
  RATE_LIMIT: OneOf(['on', 'off'], 'on'),
  TRUST_PROXY: Type.String({
    format: 'proxies',
    default: '',
    description:
      'empty, or a comma-separated list of the addresses, CIDR ranges and names (loopback, linklocal, uniquelocal) of your proxies'
  }),
  BASE_PATH: Type.String({
    format: 'base-path',
    default: '',
    description: 'empty, or the path below which your proxy has the service, such as /library'
  }),
  HSTS: OneOf(['on', 'subdomains', 'off'], 'on'),
  CORS_ORIGINS: Type.String({
    pattern: '^(https?://[^/,\\s*]+(, *https?://[^/,\\s*]+)*)?$',
    default: '',
    description: 'empty, or a comma-separated list of origins such as https://app.example.org'
  }),
  DOCS: OneOf(['on', 'off'], 'on'),
  REQUEST_TIMEOUT: Whole(1, 600, 30, ' of seconds'),
  IMPORT_LIMIT: Whole(1, 102_400, 1024, ' of MiB'),
  SPOOL_DIR: Type.String({
    pattern: '^(\\S(.*\\S)?)?$',
    default: '',
    description: 'empty, or the path of a folder for uploads while they are imported'
  }),
  HISTORY_KEEP: Type.String({
    pattern: HISTORY_KEEP,
    default: 'forever',
    description:
      'forever, an age in days such as 365d, a number of versions such as 20v, or both, such as 20v,365d, of which each keeps what it names'
  }),
  METRICS_PORT: Type.String({
    format: 'port',
    default: '',
    description: 'empty or 0 for none, or a whole number to 65535'
  }),
  METRICS_HOST: Type.String({
    format: 'host',
    default: '127.0.0.1',
    description: 'an address or host name of this machine, without a scheme or a port; 0.0.0.0 for all'
  }),
  BACKUP_DIR: Type.String({
    pattern: '^(\\S(.*\\S)?)?$',
    default: '',
    description: 'empty, or the path of a folder for backups'
  }),
  BACKUP_EVERY: Type.String({
    pattern: '^([1-9]\\d{0,6}s?|[1-9]\\d{0,4}m|[1-9]\\d{0,3}h|[1-9]\\d{0,2}d)$',
    default: '6h',
    description: 'a whole number of seconds, or with a unit such as 90m, 6h or 1d'
  }),
  BACKUP_KEEP: Type.String({
    pattern: '^(hourly|daily|weekly)=\\d{1,4}(, *(hourly|daily|weekly)=\\d{1,4}){0,2}$',
    default: 'hourly=24,daily=7,weekly=5',
    description: 'how many backups of each kind are kept, as in hourly=24,daily=7,weekly=5'
  }),
  SHUTDOWN_TIMEOUT: Whole(1, 600, 10, ' of seconds')
})
export type Config = Static<typeof Config>

/** A setting that cannot be used; the message names the variable, what it got and what it expects. */
export class ConfigRefused extends Error {
  override readonly name = 'ConfigRefused'
}

interface Violation {
  instancePath: string
  data: unknown
  parentSchema: { description: string }
}

/**
 * The configuration from the given variables, with defaults for what is missing.
 * With `dotenv`, a `.env` file in the working directory fills in what the variables leave out, or where there is none, that of the project.
 * Throws `ConfigRefused`.
 */
export function loadConfig(variables: NodeJS.ProcessEnv, { dotenv = false } = {}): Config {
  const file = dotenv ? settingsFile() : undefined
  if (file !== undefined) refuseUnknownSettings(file)
  try {
    const config = envSchema<Config>({
      schema: Config,
      data: variables,
      env: false,
      dotenv: file !== undefined && { path: file },
      ajv: {
        customOptions: {
          verbose: true,
          allErrors: true,
          formats: {
            database: (text: string) => whyNoDatabase(text) === undefined,
            host: isHost,
            port: (text: string) => text === '' || (/^\d{1,5}$/.test(text) && Number(text) <= 65_535),
            proxies: isProxyList,
            'base-path': (text: string) => toBasePath(text) !== undefined
          }
        }
      } as never
    })
    const { HOST, METRICS_HOST } = config
    refuseSharedPort(config)
    return { ...config, HOST: withoutBrackets(HOST), METRICS_HOST: withoutBrackets(METRICS_HOST) }
  } catch (error) {
    const violations = (error as { errors?: Violation[] }).errors ?? []
    if (violations.length === 0) throw error
    throw new ConfigRefused(violations.map(describe).join('\n'))
  }
}

/** How many processes are to serve. */
export function workersOf({ WORKERS }: Pick<Config, 'WORKERS'>): number {
  return WORKERS === 'auto' ? Math.min(64, availableParallelism()) : Number(WORKERS)
}

const ALL_ADDRESSES = ['0.0.0.0', '::', '[::]']

function refuseSharedPort({ HOST, PORT, METRICS_HOST, METRICS_PORT }: Config): void {
  const hosts = [HOST, METRICS_HOST]
  const isShared = HOST === METRICS_HOST || hosts.some((host) => ALL_ADDRESSES.includes(host))
  if (PORT === 0 || PORT !== Number(METRICS_PORT) || !isShared) return
  throw new ConfigRefused(`METRICS_PORT is ${PORT}, as PORT is: metrics need a port of their own.`)
}

/** Where metrics are served; 0 where they are not. */
export function metricsPortOf({ METRICS_PORT }: Pick<Config, 'METRICS_PORT'>): number {
  return Number(METRICS_PORT)
}

/** As in URLs. */
function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}

function isHost(text: string): boolean {
  const host = withoutBrackets(text)
  return isIP(host) !== 0 || (host === text && /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?$/i.test(text))
}

/** Why this names no database; undefined where it does. */
function whyNoDatabase(text: string): string | undefined {
  return /^postgres(ql)?:/i.test(text) ? whyNoServer(text) : whyNoFile(text)
}

function whyNoFile(text: string): string | undefined {
  const file = text.replace(/^sqlite:(\/\/)?/, '')
  if (file === '') return 'no file is named'
  if (/^file:/i.test(file)) return 'leave file: out'
  if (file.includes(':memory:')) return 'what is in memory would be gone at the end'
  if (/^[a-z][a-z0-9+.-]+:/i.test(file)) return 'only SQLite and PostgreSQL are there'
  if (file.startsWith('~'))
    return `~ is not replaced here; write ${/^~(?![^/])/.test(file) ? path.join(homedir(), file.slice(1)) : 'the folder out'}`
  if (file.includes('?')) return 'options after ? are not taken, and it is always opened for writing'
  if (/[/\\]$/.test(file)) return 'it is a folder; add the name of a file'
  return file === file.trim() ? undefined : 'it begins or ends with a space'
}

const LONGEST_BASE_PATH = 200
/** Letters, digits and what else needs no encoding, or bytes that are none of ASCII. */
const SEGMENT = /^(?:[\w.~-]|%[89a-f][\da-f])+$/i

/**
 * The beginning of all paths below this one, without a slash at its end: empty for the root. Undefined unless it is a plain path, that
 * can lead to no other host (`//host`), nowhere up (`..`), and out of no header or page.
 */
export function toBasePath(text: string): string | undefined {
  if (text === '' || text === '/') return ''
  const path = text.replace(/\/$/, '')
  const [first, ...segments] = path.split('/')
  const isPlain = first === '' && segments.length > 0 && segments.every(isPlainSegment)
  return isPlain && path.length <= LONGEST_BASE_PATH && isEncodedText(path) ? path : undefined
}

function isPlainSegment(segment: string): boolean {
  return SEGMENT.test(segment) && segment !== '.' && segment !== '..'
}

function isEncodedText(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal']

/** Not a number nor `true`: a service that trusts so many hops, or all, believes any address that a client makes up. */
function isProxyList(text: string): boolean {
  return text === '' || text.split(',').every((entry) => isProxy(entry.trim()))
}

function isProxy(entry: string): boolean {
  const [address = '', range, ...rest] = entry.split('/')
  const version = isIP(address)
  if (version === 0) return PROXY_NAMES.includes(entry)
  if (range === undefined) return true
  const bits = Number(range)
  return rest.length === 0 && /^\d{1,3}$/.test(range) && bits > 0 && bits <= (version === 4 ? 32 : 128)
}

function settingsFile(): string | undefined {
  return ['.env', path.join(BASE_FOLDER, '.env')].find((file) => existsSync(file))
}

/** In the environment there is much that is not ours; in `.env` it is a setting misspelt, and would open what it should close. */
function refuseUnknownSettings(file: string): void {
  const unknown = Object.keys(parseEnv(readFileSync(file, 'utf8'))).filter(
    (name) => !(name in Config.properties)
  )
  if (unknown.length === 0) return
  const known = Object.keys(Config.properties).join(', ')
  throw new ConfigRefused(`.env names ${unknown.join(', ')}, but the settings are ${known}.`)
}

function describe({ instancePath, data, parentSchema }: Violation): string {
  const name = instancePath.slice(1)
  const reason = name === 'DATABASE_URL' ? whyNoDatabase(String(data)) : undefined
  const because = reason === undefined ? '' : `: ${reason}`
  return `${name} is ${JSON.stringify(masked(data))}, but must be ${parentSchema.description}${because}.`
}

/** Without the password before the host of a URL, and without the secrets that it names. */
function masked(data: unknown): unknown {
  return typeof data === 'string'
    ? withoutPassword(data)
        .split(/([&;])/)
        .map(withoutSecret)
        .join('')
    : data
}

/** It begins behind a user, such as `//me`, and ends at the last `@`, for it may have any character in it. */
function withoutPassword(text: string): string {
  const end = text.lastIndexOf('@')
  const parts = text.slice(0, Math.max(end, 0)).split(':')
  const user = parts.findIndex((part, index) => index > 0 && /^\/*[^/?#@\s]*$/.test(part))
  const isThere = user !== -1 && user < parts.length - 1
  return isThere ? `${parts.slice(0, user + 1).join(':')}:***${text.slice(end)}` : text
}

function withoutSecret(pair: string): string {
  const name = pair.search(/pass|pwd|secret|token|key/i)
  const value = name === -1 ? -1 : pair.indexOf('=', name)
  return value === -1 ? pair : `${pair.slice(0, value)}=***`
}
