/** `npx library user COMMAND`: accounts by hand, on the database that DATABASE_URL names, also while the service runs. */
import Fastify from 'fastify'
import { app, serverOptions } from '../app.ts'
import { loadConfig } from '../config.ts'
import { hostAccount } from './command-line/host-account.ts'
import { recordOperation } from './command-line/operation.ts'
import { UsageError } from './command-line/options.ts'
import { helpIfAsked } from './command-line/read.ts'
import { complain } from './complain.ts'
import { readWords } from './user/commands.ts'

const USAGE = `usage: npx library user COMMAND [NAME]
  list                 the users and their roles
  create NAME          a user with a reset code in place of a password
  promote NAME         makes the user an admin
  demote NAME          makes the user an editor
  disable NAME         logs the user out everywhere, and keeps the user out
  enable NAME          lets the user in again
  reset-password NAME  prints a one-time code for POST /password-reset, and unlocks the account
  unlock NAME          forgets the failed logins that make the user wait`

/** What holds strangers up does not hold up the operator. */
const OPERATOR = { LOG_LEVEL: 'silent', REGISTRATION: 'open', RATE_LIMIT: 'off' } as const

async function main(words: readonly string[]): Promise<void> {
  const { command, name } = readWords(words)
  recordOperation(`user ${words[0]}`, name === '' ? {} : { username: name })
  const config = { ...loadConfig(process.env, { dotenv: true }), ...OPERATOR }
  const service = Fastify(serverOptions(config))
  try {
    await service.register(app, { config, operator: hostAccount() })
    console.log(await command(service, name))
  } finally {
    await service.close()
  }
}

function fail(error: unknown): never {
  if (!(error instanceof UsageError)) complain(error)
  console.error(USAGE)
  process.exit(2)
}

helpIfAsked(USAGE)
await main(process.argv.slice(2)).catch(fail)
