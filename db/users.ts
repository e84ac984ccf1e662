import type { Generated } from 'kysely'
import { uuidv7 } from 'uuidv7'
import { disownAuthors } from './authors/writing.ts'
import type { Db } from './database.ts'
import { usernameKey, usernameSkeleton } from './text.ts'

export type Role = 'reader' | 'editor' | 'admin'

export interface UsersTable {
  id: string
  username: string
  /** The username as it is compared: see `usernameKey`. */
  username_key: string
  /** How the username looks: see `usernameSkeleton`. Null where an older name looks the same. */
  username_skeleton: string | null
  /** A PHC string, as argon2 makes it. */
  password_hash: string
  created_at: string
  role: Generated<Role>
  /** Null while the user may log in. */
  disabled_at: string | null
}

const PUBLIC_COLUMNS = ['id', 'username', 'role', 'disabled_at', 'created_at'] as const

interface PublicRow {
  id: string
  username: string
  role: Role
  disabled_at: string | null
  created_at: string
}

/** A user as the API shows it. */
function toUser({ disabled_at, ...user }: PublicRow) {
  return { ...user, disabled: disabled_at !== null }
}

/** What no two users have in common, as `violatedUnique` names it. */
export const UNIQUE_NAME = ['users.username_key', 'users.username_skeleton']

/** Inserts a user. Breaks a uniqueness of `UNIQUE_NAME` when the name, or one that looks the same, is taken. */
export async function insertUser(db: Db, user: { username: string; passwordHash: string; role?: Role }) {
  const row = await db
    .insertInto('users')
    .values({
      id: uuidv7(),
      username: user.username,
      username_key: usernameKey(user.username),
      username_skeleton: usernameSkeleton(user.username),
      password_hash: user.passwordHash,
      role: user.role ?? 'editor',
      created_at: new Date().toISOString()
    })
    .returning(PUBLIC_COLUMNS)
    .executeTakeFirstOrThrow()
  return toUser(row)
}

/** A user who has this name, or one that looks the same. */
export async function findNamesake(db: Db, username: string) {
  return db
    .selectFrom('users')
    .select('username')
    .where((eb) =>
      eb.or([
        eb('username_key', '=', usernameKey(username)),
        eb('username_skeleton', '=', usernameSkeleton(username))
      ])
    )
    .executeTakeFirst()
}

/** What a login needs to know of the user with this name, however it is written. */
export async function findCredentials(db: Db, username: string) {
  return db
    .selectFrom('users')
    .select(['id', 'username', 'password_hash', 'role', 'disabled_at'])
    .where('username_key', '=', usernameKey(username))
    .executeTakeFirst()
}

export async function findCredentialsById(db: Db, id: string) {
  return db
    .selectFrom('users')
    .select(['id', 'username', 'password_hash'])
    .where('id', '=', id)
    .executeTakeFirst()
}

export async function findUserById(db: Db, id: string) {
  const row = await db.selectFrom('users').select(PUBLIC_COLUMNS).where('id', '=', id).executeTakeFirst()
  return row && toUser(row)
}

/** Up to `limit` users, newest first, those before the id `before`. */
export async function listUsers(db: Db, { limit, before }: { limit: number; before: string | undefined }) {
  const rows = await db
    .selectFrom('users')
    .select(PUBLIC_COLUMNS)
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toUser)
}

/** Sets a new hash; with `replacing` only if the hash is still that one. Whether it was set. */
export async function updatePasswordHash(
  db: Db,
  id: string,
  hash: string,
  replacing?: string
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('users')
    .set({ password_hash: hash })
    .where('id', '=', id)
    .$if(replacing !== undefined, (query) => query.where('password_hash', '=', replacing as string))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Whether the user is there, may log in, and has this hash still. */
export async function mayStillLogIn(trx: Db, id: string, hash: string): Promise<boolean> {
  const user = await trx
    .selectFrom('users')
    .select('id')
    .where('id', '=', id)
    .where('password_hash', '=', hash)
    .where('disabled_at', 'is', null)
    .executeTakeFirst()
  return user !== undefined
}

export async function updateUser(trx: Db, id: string, changes: { role?: Role; disabled?: boolean }) {
  const row = await trx
    .updateTable('users')
    .set({
      ...(changes.role !== undefined && { role: changes.role }),
      ...(changes.disabled !== undefined && {
        disabled_at: changes.disabled ? new Date().toISOString() : null
      })
    })
    .where('id', '=', id)
    .returning(PUBLIC_COLUMNS)
    .executeTakeFirstOrThrow()
  return toUser(row)
}

/** Deletes a user with the sessions and keys; the authors stay, without owner, which is a change of each. */
export async function deleteUser(trx: Db, id: string, actorId: string): Promise<void> {
  await disownAuthors(trx, id, actorId)
  await trx.deleteFrom('users').where('id', '=', id).execute()
}

/** Whether any admin would be left who can log in if this user were none. */
export async function hasOtherAdmin(trx: Db, id: string): Promise<boolean> {
  const other = await trx
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'admin')
    .where('disabled_at', 'is', null)
    .where('id', '!=', id)
    .executeTakeFirst()
  return other !== undefined
}
