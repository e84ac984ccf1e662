import { randomBytes, randomInt } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { createPasswordReset } from '../../db/commands/password-resets.ts'
import { changeUserAsOperator, type OperatorOutcome } from '../../db/commands/users.ts'
import { CODE_MINUTES, codeExpiry } from '../../db/password-resets.ts'
import type { ReadDb } from '../../db/tables.ts'
import { findCredentials, listUsers, type Role } from '../../db/users.ts'
import { UsageError } from '../command-line/options.ts'
import { Refused } from '../complain.ts'

/** Some 137 bits. */
const CODE_LENGTH = 28
/** Without letters and digits that look alike. */
const CODE_ALPHABET = '23456789abcdefghjkmnpqrstvwxyz'

type Command = (service: FastifyInstance, name: string) => Promise<string>

/** What can be done, with a service over the database. Each gives what to tell the operator, and throws what the operator can mend. */
export const COMMANDS: Record<string, Command> = {
  list: async ({ db }) => {
    const users = await listUsers(db, { limit: 10_000, before: undefined })
    return users
      .map(({ username, role, disabled }) => `${username}  ${role}${disabled ? '  disabled' : ''}`)
      .join('\n')
  },
  create: async (service, name) => {
    if (await findCredentials(service.db, name)) throw new Refused(`There is a user ${quoted(name)} already.`)
    const id = await register(service, name)
    return `Created ${name}. ${await resetCode(service, id, name)}`
  },
  promote: (service, name) => change(service, name, { role: 'admin' }, 'is an admin now'),
  demote: (service, name) => change(service, name, { role: 'editor' }, 'is an editor now'),
  disable: (service, name) =>
    change(service, name, { disabled: true }, 'is disabled and logged out everywhere'),
  enable: (service, name) => change(service, name, { disabled: false }, 'may log in again'),
  'reset-password': async (service, name) => {
    const { id, username } = await find(service.db, name)
    const code = await resetCode(service, id, username)
    return `${await unlock(service, username)}\n${code}`
  },
  unlock: async (service, name) => unlock(service, (await find(service.db, name)).username)
}

/** The command that the words name, and the name that it takes. Throws `UsageError`. */
export function readWords([commandName = '', name = '', ...more]: readonly string[]) {
  const command = Object.hasOwn(COMMANDS, commandName) ? COMMANDS[commandName] : undefined
  const takesName = commandName !== 'list'
  if (command === undefined || more.length > 0 || takesName === (name === '')) throw new UsageError()
  return { command, name }
}

async function unlock(service: FastifyInstance, username: string): Promise<string> {
  const count = await service.rateLimits.unlock(username)
  if (count === 0) return `${username} was not locked.`
  return `${username} is unlocked: what was counted of failed logins and resets is forgotten (${count}).`
}

/** Registers a user as anybody does, so that no name comes in that registration does not take. */
async function register(service: FastifyInstance, username: string): Promise<string> {
  const payload = { username, password: randomBytes(32).toString('base64url') }
  const answer = await service.inject({ method: 'POST', url: '/register', payload })
  const { id, detail, errors } = answer.json()
  if (answer.statusCode !== 201) throw new Refused(`${quoted(username)}: ${errors?.[0].detail ?? detail}`)
  return id
}

async function find(db: ReadDb, name: string) {
  const user = await findCredentials(db, name)
  if (user === undefined) throw new Refused(`There is no user ${quoted(name)}.`)
  return user
}

/** A name that no user can have is shown so that a terminal does not take a part of it for a command. */
function quoted(name: string): string {
  if (/^[\p{L}\p{M}\p{N}._@+-]+$/u.test(name)) return name
  const escaped = (character: string) => `\\u{${character.codePointAt(0)?.toString(16)}}`
  return JSON.stringify(name).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped)
}

/** Why a change was not made, in the operator's words. */
const REFUSALS: Record<Exclude<OperatorOutcome, 'changed'>, (username: string) => string> = {
  gone: (username) => `There is no user ${username}.`,
  'no admin': (username) => `${username} is no admin.`,
  'last admin': (username) => `${username} is the last admin; promote somebody else first.`
}

async function change(
  service: FastifyInstance,
  name: string,
  changes: { role?: Role; disabled?: boolean },
  outcome: string
): Promise<string> {
  const { id, username } = await find(service.db, name)
  const result = await service.run('service', changeUserAsOperator, { userId: id, ...changes })
  if (result !== 'changed') throw new Refused(REFUSALS[result](username))
  return `${username} ${outcome}.`
}

async function resetCode(service: FastifyInstance, userId: string, name: string): Promise<string> {
  const letters = Array.from(
    { length: CODE_LENGTH },
    () => CODE_ALPHABET[randomInt(CODE_ALPHABET.length)]
  ).join('')
  const code = letters.replace(/.{4}(?=.)/g, '$&-')
  const expiresAt = codeExpiry(new Date().toISOString())
  await service.run('service', createPasswordReset, { userId, code, expiresAt })
  return `Within ${CODE_MINUTES} minutes, ${name} can set a password at POST /password-reset with the code ${code}`
}
