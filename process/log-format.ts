import type { Config } from '../config.ts'
import { logOutput } from './log-output.ts'

const LEVELS: Record<number, string> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'ERROR',
  60: 'FATAL'
}
const PLAIN = /^[\p{L}\p{N}._:/@+-]+$/u
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Where the log goes: standard output, as lines for people in a terminal, or wherever LOG_FORMAT says so; else as JSON. */
export function logStream(
  { LOG_FORMAT }: Pick<Config, 'LOG_FORMAT'>,
  out: NodeJS.WriteStream = process.stdout
) {
  const isForPeople = LOG_FORMAT === 'text' || (LOG_FORMAT === 'auto' && out.isTTY)
  const write = logOutput(out)
  return { write: (line: string) => write(isForPeople ? readable(line) : line) }
}

/** A line of the log, as JSON, for people: when, how bad, what, and all else that is known; of an error its stack too. */
export function readable(line: string): string {
  const { level, time, pid: _pid, hostname: _hostname, msg = '', err, ...rest } = JSON.parse(line)
  const fields = Object.entries(rest).map(([name, value]) => `  ${name}=${shown(value)}`)
  const stack = err === undefined ? '' : `${printable(err.stack ?? err.message, '\n')}\n`
  return `${new Date(time).toISOString()} ${(LEVELS[level] ?? String(level)).padEnd(5)} ${printable(msg)}${fields.join('')}\n${stack}`
}

function shown(value: unknown): string {
  const text = typeof value === 'string' && PLAIN.test(value) ? value : JSON.stringify(value)
  return printable(text)
}

/** A terminal obeys some of what a client may have sent. */
function printable(text: string, but = ''): string {
  return text.replace(UNPRINTABLE, (character) =>
    character === but ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`
  )
}
