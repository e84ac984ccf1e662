import { logAccountAction } from '../account-log.ts'
import {
  type Actor,
  adminCommand,
  type ByHand,
  type Representation,
  type Stamp,
  serviceCommand,
  userCommand
} from '../command.ts'
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
    const user = await insertUser(trx, { id, at, username, passwordHash })
    await logAccountAction(trx, id, 'registered', { at, actor: user }, { new_role: user.role })
    return user
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
  async (trx, { id, username, role, passwordHash, code, expiresAt, ...by }) => {
    const namesake = await findNamesake(trx, username)
    if (namesake !== undefined) throw taken(username, namesake.username)
    const user = await insertUser(trx, { id, at: by.at, username, passwordHash, role })
    await logAccountAction(trx, id, 'created', by, { new_role: role })
    await upsertPasswordReset(trx, id, code, expiresAt)
    await logAccountAction(trx, id, 'reset_code_created', by)
    return { location: `/users/${id}`, body: JSON.stringify(user) }
  }
)

/** Changes a user's role, or whether the user is disabled. Throws `USER_NOT_FOUND` or `LAST_ADMIN`. */
export const changeUser = adminCommand<UserChanges, PublicUser>('changeUser', async (trx, changes) => {
  const { userId, role, disabled } = changes
  const current = await getUser(trx, userId)
  const remainsAdmin = (role ?? current.role) === 'admin' && !(disabled ?? current.disabled)
  if (!remainsAdmin && (await isLastAdmin(trx, current))) throw new Problem('LAST_ADMIN', [])
  return applyChanges(trx, current, changes)
})

type Applied = UserChanges & Stamp & ByHand & { actor: Actor | undefined }

async function applyChanges(trx: Db, current: PublicUser, changes: Applied): Promise<PublicUser> {
  const { userId, role, disabled, at } = changes
  await logChanges(trx, current, changes)
  if (disabled === undefined) return updateUser(trx, userId, { role })
  if (disabled) await endSessions(trx, userId, { reason: 'disabled', at })
  return updateUser(trx, userId, { role, disabledAt: disabled ? at : null })
}

/** What is as it was is not worth an entry. */
async function logChanges(trx: Db, current: PublicUser, by: Applied): Promise<void> {
  const { userId, role = current.role, disabled = current.disabled } = by
  if (role !== current.role)
    await logAccountAction(trx, userId, 'role_changed', by, { old_role: current.role, new_role: role })
  if (disabled !== current.disabled)
    await logAccountAction(trx, userId, disabled ? 'disabled' : 'enabled', by)
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
  async (trx, { currentHash, newHash, sessionId, ...by }) => {
    const { actor, at } = by
    const isStillSo = await updatePasswordHash(trx, actor.id, newHash, currentHash)
    if (!isStillSo) throw new Problem('WRONG_PASSWORD', [])
    await deletePasswordReset(trx, actor.id)
    await endSessions(trx, actor.id, { reason: 'password_changed', at, except: sessionId })
    await logAccountAction(trx, actor.id, 'password_changed', by)
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
