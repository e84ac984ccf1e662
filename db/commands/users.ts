import { adminCommand, type Representation, serviceCommand, userCommand } from '../command.ts'
import { deletePasswordReset, upsertPasswordReset } from '../password-resets.ts'
import { Problem } from '../problems.ts'
import { endSessions } from '../sessions.ts'
import type { Db } from '../tables.ts'
import {
  findNamesake,
  getUser,
  insertUser,
  isLastAdmin,
  type PublicUser,
  type Role,
  updatePasswordHash,
  updateUser
} from '../users.ts'

/** What is changed of a user; what is left out stays. */
interface UserChanges {
  userId: string
  role?: Role | undefined
  disabled?: boolean | undefined
}

/** Registers a user. Throws `USERNAME_TAKEN`. */
export const registerUser = serviceCommand<{ username: string; passwordHash: string }, PublicUser>(
  'registerUser',
  async (trx, { id, at, username, passwordHash }) => {
    const namesake = await findNamesake(trx, username)
    if (namesake !== undefined) throw taken(username, namesake.username)
    return insertUser(trx, { id, at, username, passwordHash })
  }
)

function taken(username: string, namesake: string): Problem {
  const errors = [{ pointer: '/username', detail: `looks the same as ${namesake}` }]
  return new Problem('USERNAME_TAKEN', [username], { errors })
}

interface CreatedByAdmin {
  username: string
  role: Role
  /** Of a password that nobody knows. */
  passwordHash: string
  /** With which the user sets one. */
  code: string
  expiresAt: string
}

/** Creates a user who has a reset code in place of a password. Throws `USERNAME_TAKEN`. */
export const createUser = adminCommand<CreatedByAdmin, Representation>(
  'createUser',
  async (trx, { id, at, username, role, passwordHash, code, expiresAt }) => {
    const namesake = await findNamesake(trx, username)
    if (namesake !== undefined) throw taken(username, namesake.username)
    const user = await insertUser(trx, { id, at, username, passwordHash, role })
    await upsertPasswordReset(trx, id, code, expiresAt)
    return { location: `/users/${id}`, body: JSON.stringify(user) }
  }
)

/** Changes a user's role, or whether the user is disabled. Throws `USER_NOT_FOUND` or `LAST_ADMIN`. */
export const changeUser = adminCommand<UserChanges, PublicUser>('changeUser', async (trx, changes) => {
  const { userId, role, disabled } = changes
  const current = await getUser(trx, userId)
  const remainsAdmin = (role ?? current.role) === 'admin' && !(disabled ?? current.disabled)
  if (!remainsAdmin && (await isLastAdmin(trx, current))) throw new Problem('LAST_ADMIN', [])
  return applyChanges(trx, changes)
})

async function applyChanges(
  trx: Db,
  { userId, role, disabled, at }: UserChanges & { at: string }
): Promise<PublicUser> {
  if (disabled === undefined) return updateUser(trx, userId, { role })
  if (disabled) await endSessions(trx, userId, { reason: 'disabled', at })
  return updateUser(trx, userId, { role, disabledAt: disabled ? at : null })
}

interface PasswordChange {
  /** The hash of the password that confirmed the change. */
  currentHash: string
  newHash: string
  /** The session that goes on. */
  sessionId: string
}

/** Changes the caller's password and ends all other sessions. Throws `WRONG_PASSWORD` when it was changed meanwhile. */
export const changePassword = userCommand<PasswordChange, void>(
  'changePassword',
  'reader',
  async (trx, { actor, at, currentHash, newHash, sessionId }) => {
    const isStillSo = await updatePasswordHash(trx, actor.id, newHash, currentHash)
    if (!isStillSo) throw new Problem('WRONG_PASSWORD', [])
    await deletePasswordReset(trx, actor.id)
    await endSessions(trx, actor.id, { reason: 'password_changed', at, except: sessionId })
  }
)

interface Renewal {
  userId: string
  currentHash: string
  newHash: string
}

/** Sets another hash of the same password, unless the password was changed meanwhile. Whether it was set. */
export const renewPasswordHash = serviceCommand<Renewal, boolean>(
  'renewPasswordHash',
  async (trx, { userId, currentHash, newHash }) => updatePasswordHash(trx, userId, newHash, currentHash)
)
