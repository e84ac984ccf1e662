/** A database with users, and calls that write authors, without a service. */
import type { Kysely } from 'kysely'
import type { Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import type { Call, CallerCredential, Command, Representation } from '../../db/command.ts'
import { type Database, openDatabase } from '../../db/database.ts'
import type { Tables } from '../../db/tables.ts'
import { numberOfUser } from '../../db/user-numbers.ts'
import { newDatabase } from '../engines.ts'
import { openDirectly } from '../helpers.ts'

const USERS = { owner: 'editor', other: 'editor', admin: 'admin', reader: 'reader' } as const
export type Name = keyof typeof USERS

export const AT = '2026-11-25T10:00:00.000Z'
const LATER = '2999-01-01T00:00:00.000Z'
export const NONE = { preconditions: {} }

export const idOf = (name: Name) =>
  `00000000-0000-7000-8000-${Buffer.from(name).toString('hex').padStart(12, '0')}`
const credentialOf = (name: Name): CallerCredential => ({
  id: idOf(name),
  role: USERS[name],
  sessionId: `session of ${name}`
})

/** A database of the test's own with one user of each name, and a connection of which it knows nothing. */
export async function open(t: Test) {
  const url = await newDatabase(t)
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  const direct = openDirectly(t, url)
  for (const name of Object.keys(USERS) as Name[]) await insertSession(direct, name)
  return { url, database, direct }
}

async function insertSession(db: Kysely<Tables>, name: Name): Promise<void> {
  const user = { id: idOf(name), username: name, username_key: name, username_skeleton: name }
  await db
    .insertInto('users')
    .values({ ...user, password_hash: 'x', role: USERS[name], created_at: AT, disabled_at: null })
    .execute()
  await db
    .insertInto('sessions')
    .values({
      id: `session of ${name}`,
      user_number: numberOfUser(user.id),
      user_agent: null,
      created_at: AT,
      last_used_at: AT,
      idle_expires_at: LATER,
      expires_at: LATER,
      family_hash: 'x',
      refresh_hash: 'x'
    } as never)
    .execute()
}

export function callOf<Input extends object>(
  name: Name,
  command: Command<Input, unknown>,
  input: Input,
  stamp = { id: uuidv7(), at: new Date().toISOString() }
): Call {
  return { command: command.name, input, stamp, credential: credentialOf(name), form: undefined }
}

/** What became of a call: the author's JSON, or the code of the problem with what it says. */
export async function outcomeOf(database: Database, call: Call): Promise<unknown> {
  try {
    const { body } = (await database.run(call)) as Representation
    return body === null ? null : JSON.parse(body)
  } catch (error) {
    const { code, details, extras } = error as { code: string; details: string[]; extras: object }
    return { code, details, extras }
  }
}
