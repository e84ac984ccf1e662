import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { createPasswordReset } from '../../db/commands/password-resets.ts'
import { changeUser, createUser } from '../../db/commands/users.ts'
import { listUsers } from '../../db/finding-users.ts'
import { CODE_MINUTES, drawResetCode } from '../../db/password-resets.ts'
import type { ReadDb } from '../../db/tables.ts'
import { findCredentials, type Role } from '../../db/users.ts'
import { LastAdmin, type ProblemExtras, problemTypes } from '../../schemas/errors.ts'
import { UsageError } from '../command-line/options.ts'
import { Refused } from '../complain.ts'

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
    return `Created ${name}. ${howToUse(await create(service, name), name)}`
  },
  promote: (service, name) => change(service, name, { role: 'admin' }, 'is an admin now'),
  demote: (service, name) => change(service, name, { role: 'editor' }, 'is an editor now'),
  disable: (service, name) =>
    change(service, name, { disabled: true }, 'is disabled and logged out everywhere'),
  enable: (service, name) => change(service, name, { disabled: false }, 'may log in again'),
  'reset-password': async (service, name) => {
    const user = await find(service.db, name)
    const reset = drawResetCode()
    await service.run('service', createPasswordReset, { userId: user.id, ...reset })
    return `${await unlock(service, user)}\n${howToUse(reset.code, user.username)}`
  },
  unlock: async (service, name) => unlock(service, await find(service.db, name))
}

/** The command that the words name, and the name that it takes. Throws `UsageError`. */
export function readWords([commandName = '', name = '', ...more]: readonly string[]) {
  const command = Object.hasOwn(COMMANDS, commandName) ? COMMANDS[commandName] : undefined
  const takesName = commandName !== 'list'
  if (command === undefined || more.length > 0 || takesName === (name === '')) throw new UsageError()
  return { command, name }
}

async function unlock(service: FastifyInstance, user: { id: string; username: string }): Promise<string> {
  const { username } = user
  const count = await service.rateLimits.unlock('service', user)
  if (count === 0) return `${username} was not locked.`
  return `${username} is unlocked: what was counted of failed logins and resets is forgotten (${count}).`
}

/** Creates a user; gives the reset code. No name comes in that registration does not take. */
async function create(service: FastifyInstance, username: string): Promise<string> {
  const { passwords, usernames } = service
  const { code, expiresAt } = drawResetCode()
  try {
    usernames.refuse(username)
    await usernames.refuseTaken(username)
    const passwordHash = await passwords.hash(randomBytes(32).toString('base64url'))
    await service.run('service', createUser, { username, role: 'editor', passwordHash, code, expiresAt })
  } catch (error) {
    throw refusalOf(error as Error & ProblemExtras, quoted(username))
  }
  return code
}

/** What the service answers with 4xx as something that the operator can mend. */
function refusalOf(error: Error & ProblemExtras & { code?: string }, about: string): Error {
  if (!problemTypes.has(error.code ?? '')) return error
  return new Refused(`${about}: ${error.errors?.[0]?.detail ?? error.message}`)
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

async function change(
  service: FastifyInstance,
  name: string,
  changes: { role?: Role; disabled?: boolean },
  outcome: string
): Promise<string> {
  const { id, username, role } = await find(service.db, name)
  if (changes.role === 'editor' && role !== 'admin') throw new Refused(`${username} is no admin.`)
  try {
    await service.run('service', changeUser, { userId: id, ...changes })
  } catch (error) {
    if ((error as { code?: string }).code !== LastAdmin.code) throw error
    throw new Refused(`${username} is the last admin; promote somebody else first.`)
  }
  return `${username} ${outcome}.`
}

function howToUse(code: string, name: string): string {
  return `Within ${CODE_MINUTES} minutes, ${name} can set a password at POST /password-reset with the code ${code}`
}
