import { DatabaseRefused, DatabaseUnavailable } from '../refusals.ts'
import { type Address, readServerUrl } from './server-url.ts'

/** Of the system, for a connection that cannot be made or ends. */
const NO_CONNECTION =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|ENOENT)$/
/**
 * Classes and codes of errors that the request did not cause (https://www.postgresql.org/docs/current/errcodes-appendix.html): no
 * connection, no resources, the operator's or the system's doing, a statement that took too long, a server that only reads.
 */
const UNAVAILABLE = /^(08...|53...|57...|58...|25006|40...|55P03|XX00[012])$/
/** What another transaction stood in the way of: run again, it may well succeed. */
const CONFLICT = /^(40...|55P03)$/
/** Node's driver has no codes for these. */
const LOST =
  /^(Connection terminated|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed)/

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? '')
}

/** Whether the server said it. The driver is not asked: who has another engine never loads it. */
export function isOfServer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && codeOf(error).length === 5
}

/** Whether the connection was lost, so that it is unknown what became of the statement. */
export function isLost(error: unknown): boolean {
  const { message = '' } = (error ?? {}) as Error
  return (
    NO_CONNECTION.test(codeOf(error)) ||
    LOST.test(message) ||
    (isOfServer(error) && /^(08...|25P0[34]|57P0[1-5])$/.test(codeOf(error)))
  )
}

/** Whether the server gave a statement up because of a timeout, or because the operator said so. */
export function isCancelled(error: unknown): boolean {
  return isOfServer(error) && codeOf(error) === '57014'
}

export function isConflict(error: unknown): boolean {
  return isOfServer(error) && CONFLICT.test(codeOf(error))
}

/** Whether the server has not come to this transaction yet. */
export function isInFuture(error: unknown): boolean {
  return isOfServer(error) && codeOf(error) === '22023'
}

/**
 * Whether the connection's prepared statements are no longer those that we know: another version has changed a table, or a pooler gives
 * each transaction another connection.
 */
export function isStale(error: unknown): boolean {
  const { message = '' } = (error ?? {}) as Error
  return (
    isOfServer(error) && (/^(26000|42P05)$/.test(codeOf(error)) || message.startsWith('cached plan must not'))
  )
}

/** Whether the server did not even try, because a statement before this one has failed. */
export function isAfterFailure(error: unknown): boolean {
  return isOfServer(error) && codeOf(error) === '25P02'
}

/** Whether the server answers, but has too many connections. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === '53300' || codeOf((error as { cause?: unknown }).cause) === '53300'
}

/** Whether the server has found pages or indexes damaged. */
export function isDamage(error: unknown): boolean {
  return isOfServer(error) && /^XX00[12]$/.test(codeOf(error))
}

/** Whether the engine could not do it now though nothing is wrong with the request. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable || isLost(error) || isStale(error)) return true
  return isOfServer(error) && UNAVAILABLE.test(codeOf(error))
}

/** The same error in a sentence for who starts the service, if it is about the server. Nothing of it is secret. */
export function asRefusal(error: unknown, databaseUrl: string): unknown {
  if (error instanceof DatabaseRefused) return error
  const { addresses, database, user } = readServerUrl(databaseUrl)
  const where = addresses
    .map(({ host, port }) => (host.startsWith('/') ? host : `${host}:${port}`))
    .join(', ')
  // Where no connection can be made, the cause is what counts.
  const cause = error instanceof DatabaseUnavailable ? (error.cause ?? error) : error
  const message = messageOf(cause)
  const advice = adviceFor(cause, message)
  if (advice !== undefined)
    return new DatabaseRefused(
      `The database ${database} at ${where} cannot be used${user === undefined ? '' : ` by ${user}`} (${message}). ${advice}`
    )
  if (!isUnavailable(error)) return error
  return new DatabaseRefused(
    isOfServer(cause) && !isLost(cause)
      ? `PostgreSQL at ${where} could not do it (${message}). Try again once it can.`
      : `PostgreSQL at ${where} cannot be reached (${message}). See that it runs there, or correct DATABASE_URL.`
  )
}

/** Of several addresses that were tried, Node says what is wrong with each, and nothing of all. */
function messageOf(error: unknown): string {
  const { message, errors = [] } = error as AggregateError
  return message || errors.map((single: Error) => single.message).join(', ') || codeOf(error)
}

const ADVICE: Record<string, string> = {
  '28P01': 'Correct the password in DATABASE_URL.',
  '28000': 'Let pg_hba.conf admit this user from here, or correct DATABASE_URL.',
  '3D000': 'Make it with createdb, or correct DATABASE_URL.',
  '42501': 'Give this user the right to create tables in it.',
  '53300': 'Raise max_connections there, or let fewer instances and workers use it.',
  '55P03': 'Something else has it locked, such as an open transaction in psql: end that, then try again.',
  '25006': 'It only reads, as a standby does: set DATABASE_URL to the primary.'
}

const STANDBY = /^it is a standby/
const NO_PASSWORD = /password must be a string|no password supplied|empty password/
const TLS = /does not support SSL|^(CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/

function adviceFor(error: unknown, message: string): string | undefined {
  if (STANDBY.test(message)) return 'Set DATABASE_URL to the primary.'
  if (NO_PASSWORD.test(message)) return 'It asks for a password: name one in DATABASE_URL.'
  if (TLS.test(message) || TLS.test(codeOf(error)))
    return 'See to its certificate, or correct sslmode in DATABASE_URL.'
  return isOfServer(error) ? ADVICE[codeOf(error)] : undefined
}

/** No connection could be made; the cause says why. */
export class CannotConnect extends DatabaseUnavailable {
  constructor({ host, port }: Address, cause: unknown) {
    const { message = '', code = '' } = cause as NodeJS.ErrnoException
    super(`no connection to ${host}:${port}: ${message || code}`, { cause })
  }
}
