/** `npm run user -- COMMAND`: accounts by hand, on the database that DATABASE_URL names, also while the service runs. */
import { randomBytes, randomInt } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import { app, serverOptions } from '../app.ts'
import { loadConfig } from '../config.ts'
import type { Db } from '../db/database.ts'
import { upsertPasswordReset } from '../db/password-resets.ts'
import { endSessions } from '../db/sessions.ts'
import { findCredentials, findUserById, hasOtherAdmin, listUsers, updateUser } from '../db/users.ts'

const USAGE = `usage: npm run user -- COMMAND [NAME]
  list                 the users and their roles
  create NAME          a user with a reset code in place of a password
  promote NAME         makes the user an admin
  demote NAME          makes the user an editor
  disable NAME         logs the user out everywhere, and keeps the user out
  enable NAME          lets the user in again
  reset-password NAME  prints a one-time code for POST /password-reset`

const CODE_MINUTES = 60
/** Some 137 bits. */
const CODE_LENGTH = 28
/** Without letters and digits that look alike. */
const CODE_ALPHABET = '23456789abcdefghjkmnpqrstvwxyz'

/** What holds strangers up does not hold up the operator. */
const OPERATOR = { LOG_LEVEL: 'silent', REGISTRATION: 'open', RATE_LIMIT: 'off' } as const

/** What the operator can mend; the message is one sentence. */
class Refused extends Error {}

type Command = (service: FastifyInstance, name: string) => Promise<string>

const COMMANDS: Record<string, Command> = {
  list: async ({ db }) => {
    const users = await listUsers(db, { limit: 10_000, before: undefined })
    return users
      .map(({ username, role, disabled }) => `${username}  ${role}${disabled ? '  disabled' : ''}`)
      .join('\n')
  },
  create: async (service, name) => {
    if (await findCredentials(service.db, name)) throw new Refused(`There is a user ${name} already.`)
    const id = await register(service, name)
    return `Created ${name}. ${await resetCode(service.db, id, name)}`
  },
  promote: (service, name) => change(service.db, name, { role: 'admin' }, 'is an admin now'),
  demote: (service, name) => change(service.db, name, { role: 'editor' }, 'is an editor now'),
  disable: (service, name) =>
    change(service.db, name, { disabled: true }, 'is disabled and logged out everywhere'),
  enable: (service, name) => change(service.db, name, { disabled: false }, 'may log in again'),
  'reset-password': async ({ db }, name) => resetCode(db, (await find(db, name)).id, name)
}

/** Registers a user as anybody does, so that no name comes in that registration does not take. */
async function register(service: FastifyInstance, username: string): Promise<string> {
  const payload = { username, password: randomBytes(32).toString('base64url') }
  const answer = await service.inject({ method: 'POST', url: '/register', payload })
  const { id, detail, errors } = answer.json()
  if (answer.statusCode !== 201) throw new Refused(`${username}: ${errors?.[0].detail ?? detail}`)
  return id
}

async function find(db: Db, name: string) {
  const user = await findCredentials(db, name)
  if (user === undefined) throw new Refused(`There is no user ${name}.`)
  return user
}

async function change(
  db: Db,
  name: string,
  changes: Parameters<typeof updateUser>[2],
  outcome: string
): Promise<string> {
  const { id, username } = await find(db, name)
  await db.transaction().execute(async (trx) => {
    if (changes.role === 'editor' && (await findUserById(trx, id))?.role !== 'admin')
      throw new Refused(`${username} is no admin.`)
    const losesPower = changes.role === 'editor' || changes.disabled === true
    const isAdmin = (await findUserById(trx, id))?.role === 'admin'
    if (losesPower && isAdmin && !(await hasOtherAdmin(trx, id))) {
      throw new Refused(`${username} is the last admin; promote somebody else first.`)
    }
    await updateUser(trx, id, changes)
    if (changes.disabled) await endSessions(trx, id, 'disabled')
  })
  return `${username} ${outcome}.`
}

async function resetCode(db: Db, userId: string, name: string): Promise<string> {
  const letters = Array.from(
    { length: CODE_LENGTH },
    () => CODE_ALPHABET[randomInt(CODE_ALPHABET.length)]
  ).join('')
  const code = letters.replace(/.{4}(?=.)/g, '$&-')
  await upsertPasswordReset(db, userId, code, new Date(Date.now() + CODE_MINUTES * 60_000).toISOString())
  return `Within ${CODE_MINUTES} minutes, ${name} can set a password at POST /password-reset with the code ${code}`
}

async function main(commandName = '', name = ''): Promise<void> {
  const command = Object.hasOwn(COMMANDS, commandName) ? COMMANDS[commandName] : undefined
  if (command === undefined || (name === '' && commandName !== 'list')) {
    console.error(USAGE)
    process.exit(2)
  }
  const config = { ...loadConfig(process.env, { dotenv: true }), ...OPERATOR }
  const service = Fastify(serverOptions(config))
  try {
    await service.register(app, { config })
    console.log(await command(service, name))
  } finally {
    await service.close()
  }
}

main(...process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message)
  process.exit(1)
})
