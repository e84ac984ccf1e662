import type { Generated } from 'kysely'
import { Problem } from './problems.ts'
import type { Db, ReadDb } from './tables.ts'
import { usernameKey, usernameSkeleton } from './text.ts'

export type Role = 'reader' | 'editor' | 'admin'

const ROLES: Role[] = ['reader', 'editor', 'admin']

/** Whether the user has this role or a higher one. */
export function hasRole(user: { role: Role }, role: Role): boolean {
  return ROLES.indexOf(user.role) >= ROLES.indexOf(role)
}

export interface UsersTable {
  /** By which everything inside refers to the user; never on the wire. No other user ever gets it. */
  number: Generated<number>
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

declare module './tables.ts' {
  interface Tables {
    users: UsersTable
  }
}

/** A user as the API shows it. */
export interface PublicUser {
  id: string
  username: string
  role: Role
  disabled: boolean
  created_at: string
}

/** What is shown of a user, by `toUser`. */
export const PUBLIC_COLUMNS = ['id', 'username', 'role', 'disabled_at', 'created_at'] as const

export function toUser({
  disabled_at,
  ...user
}: Omit<PublicUser, 'disabled'> & { disabled_at: string | null }): PublicUser {
  return { ...user, disabled: disabled_at !== null }
}

/** Users whose account is being deleted have a row until that is done, and are gone for everybody else. */
export function selectUsers(db: ReadDb) {
  return db
    .selectFrom('users')
    .where('users.number', 'not in', (eb) => eb.selectFrom('account_deletions').select('user_number'))
}

/** A user who has this name, or one that looks the same. */
export async function findNamesake(db: ReadDb, username: string) {
  return selectUsers(db)
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
export async function findCredentials(db: ReadDb, username: string) {
  return selectUsers(db)
    .select(['id', 'username', 'password_hash', 'role', 'disabled_at'])
    .where('username_key', '=', usernameKey(username))
    .executeTakeFirst()
}

export async function findCredentialsById(db: ReadDb, id: string) {
  return selectUsers(db).select(['id', 'username', 'password_hash']).where('id', '=', id).executeTakeFirst()
}

export async function findUserById(db: ReadDb, id: string): Promise<PublicUser | undefined> {
  const row = await selectUsers(db).select(PUBLIC_COLUMNS).where('id', '=', id).executeTakeFirst()
  return row && toUser(row)
}

/** The user with this id. Throws `USER_NOT_FOUND`. */
export async function getUser(db: ReadDb, id: string): Promise<PublicUser> {
  const user = await findUserById(db, id)
  if (user === undefined) throw new Problem('USER_NOT_FOUND', [id])
  return user
}

/** Whether the user is there, may log in, and still has this hash. */
export async function mayStillLogIn(db: ReadDb, id: string, hash: string): Promise<boolean> {
  const user = await db
    .selectFrom('users')
    .select('id')
    .where('id', '=', id)
    .where('password_hash', '=', hash)
    .where('disabled_at', 'is', null)
    .executeTakeFirst()
  return user !== undefined
}

/** Whether the service could not be administered without this user. */
export async function isLastAdmin(db: ReadDb, user: PublicUser): Promise<boolean> {
  return user.role === 'admin' && !user.disabled && !(await hasOtherAdmin(db, user.id))
}

/** Whether any admin would be left who can log in if this user were none. */
async function hasOtherAdmin(db: ReadDb, id: string): Promise<boolean> {
  const other = await db
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'admin')
    .where('disabled_at', 'is', null)
    .where('id', '!=', id)
    .executeTakeFirst()
  return other !== undefined
}

/** A user who is not in the table yet. */
export interface NewUser {
  id: string
  at: string
  username: string
  passwordHash: string
  role?: Role
}

/** Inserts a user. Breaks a uniqueness when the name, or one that looks the same, is taken. */
export async function insertUser(trx: Db, user: NewUser): Promise<PublicUser> {
  const row = await trx
    .insertInto('users')
    .values({
      id: user.id,
      username: user.username,
      username_key: usernameKey(user.username),
      username_skeleton: usernameSkeleton(user.username),
      password_hash: user.passwordHash,
      role: user.role ?? 'editor',
      created_at: user.at
    })
    .returning(PUBLIC_COLUMNS)
    .executeTakeFirstOrThrow()
  return toUser(row)
}

/** Sets the role, or since when the user is disabled (null: may log in). */
export async function updateUser(
  trx: Db,
  id: string,
  { role, disabledAt }: { role?: Role | undefined; disabledAt?: string | null | undefined }
): Promise<PublicUser> {
  const row = await trx
    .updateTable('users')
    .set({ ...(role && { role }), ...(disabledAt !== undefined && { disabled_at: disabledAt }) })
    .where('id', '=', id)
    .returning(PUBLIC_COLUMNS)
    .executeTakeFirstOrThrow()
  return toUser(row)
}

/** Sets a new hash; with `replacing` only if the hash is still that one. Whether it was set. */
export async function updatePasswordHash(
  trx: Db,
  id: string,
  hash: string,
  replacing?: string
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('users')
    .set({ password_hash: hash })
    .where('id', '=', id)
    .$if(replacing !== undefined, (query) => query.where('password_hash', '=', replacing as string))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
