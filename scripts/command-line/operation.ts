import { writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { loadConfig } from '../../config.ts'
import { hostAccount } from './host-account.ts'

const INFO = 30
const SAYS_INFO = new Set(['info', 'debug', 'trace'])

/**
 * Has a command of the operator end with a line of JSON on standard error, for those who collect logs: who did what, and how it ended. In a
 * terminal there is none, nor with a LOG_LEVEL above `info`, nor where the settings are refused and nothing was done.
 */
export function recordOperation(command: string, details: object = {}): void {
  if (process.stderr.isTTY || !isTold()) return
  const begun = performance.now()
  process.once('exit', (exitCode) => {
    const line = {
      level: INFO,
      time: Date.now(),
      pid: process.pid,
      hostname: hostname(),
      event: 'operator_command',
      command,
      ...details,
      operator: hostAccount(),
      exit_code: exitCode,
      ms: Math.round(performance.now() - begun),
      msg: 'a command of the operator has ended'
    }
    try {
      writeSync(process.stderr.fd, `${JSON.stringify(line)}\n`)
    } catch {
      // Nobody reads it any more.
    }
  })
}

function isTold(): boolean {
  try {
    return SAYS_INFO.has(loadConfig(process.env, { dotenv: true }).LOG_LEVEL)
  } catch {
    return false
  }
}
