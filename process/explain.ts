/** What the operator can mend, in sentences that say how. */
import { networkInterfaces } from 'node:os'
import { WorkerFailed } from '../cluster/member.ts'
import { ConfigRefused } from '../config.ts'
import { DatabaseRefused, describeDatabase, isUnavailable, remedyFor } from '../db/dialect.ts'
import { FileLocked } from '../db/file-lock.ts'
import { KeysRefused } from '../plugins/signing-keys/index.ts'
import { TracingRefused } from '../plugins/tracing/tracer.ts'

/** By which settings an address was named. */
interface Settings {
  host: string
  port: string
}

type SystemError = NodeJS.ErrnoException & {
  address?: string
  port?: number
  hostname?: string
  settings?: Settings
}

const OWN_SETTINGS: Settings = { host: 'HOST', port: 'PORT' }

const REFUSALS = [ConfigRefused, DatabaseRefused, FileLocked, KeysRefused, TracingRefused, WorkerFailed]
const WHO_LISTENS: Partial<Record<NodeJS.Platform, (port: number) => string>> = {
  win32: (port) => `netstat -ano | findstr :${port}`,
  linux: (port) => `ss -ltnp 'sport = :${port}'`
}

/** A sentence or two about the error, if there is something that the operator can do; else nothing. */
export function explain(error: unknown, { databaseUrl }: { databaseUrl?: string } = {}): string | undefined {
  if (REFUSALS.some((refusal) => error instanceof refusal)) return (error as Error).message
  const { syscall = '', message } = error as SystemError
  if (['listen', 'bind', 'getaddrinfo', 'lookup'].includes(syscall))
    return explainAddress(error as SystemError)
  if (databaseUrl !== undefined && isUnavailable(error))
    return `${describeDatabase(databaseUrl)} cannot be used (${message}). ${remedyFor(databaseUrl)}`
  return syscall === '' ? undefined : `${message}.`
}

function explainAddress(error: SystemError): string {
  const { code, address, hostname, port = 0, message, settings = OWN_SETTINGS } = error
  if (code === 'EADDRINUSE') return inUse(address, port, settings)
  if (code === 'EACCES')
    return `Port ${port} needs rights that this user lacks (EACCES). Set ${settings.port} to one of 1024 or above, and put a proxy in front.`
  if (code === 'EADDRNOTAVAIL' || code === 'EINVAL' || code === 'EAFNOSUPPORT')
    return `${settings.host} is ${address}, which is no address of this machine (${code}). Set ${settings.host} to one of ${ownAddresses().join(', ')}, or to 0.0.0.0 for all.`
  if (hostname !== undefined)
    return `${settings.host} is ${hostname}, for which no address was found (${code}). Correct the name, or set ${settings.host} to an address such as 127.0.0.1.`
  return `${message}.`
}

function inUse(address = '', port: number, { port: setting }: Settings): string {
  const command =
    WHO_LISTENS[process.platform] ?? ((number: number) => `lsof -nP -iTCP:${number} -sTCP:LISTEN`)
  return (
    `Port ${port} of ${address} is already in use (EADDRINUSE). Set ${setting} to another, as in ${setting}=${anotherPort(port)} npx library start, ` +
    `or end what holds it: ${command(port)} shows it.`
  )
}

function anotherPort(port: number): number {
  return port < 65_535 ? port + 1 : port - 1
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address))
}
