import { uuidv7 } from 'uuidv7'
import type { Db } from './database.ts'
import { usernameKey } from './text.ts'

export interface UsersTable {
  id: string
  username: string
  /** The username as it is compared: see `usernameKey`. */
  username_key: string
  /** A PHC string, as argon2 makes it. */
  password_hash: string
  created_at: string
}

const PUBLIC_COLUMNS = ['id', 'username', 'created_at'] as const

/** Inserts a user. Breaks the uniqueness of `users.username_key` when the name is taken. */
export async function insertUser(db: Db, user: { username: string; passwordHash: string }) {
  return db
    .insertInto('users')
    .values({
      id: uuidv7(),
      username: user.username,
      username_key: usernameKey(user.username),
      password_hash: user.passwordHash,
      created_at: new Date().toISOString()
    })
    .returning(PUBLIC_COLUMNS)
    .executeTakeFirstOrThrow()
}

/** What a login needs to know of the user with this name, however it is written. */
export async function findCredentials(db: Db, username: string) {
  return db
    .selectFrom('users')
    .select(['id', 'password_hash'])
    .where('username_key', '=', usernameKey(username))
    .executeTakeFirst()
}

export async function findUserById(db: Db, id: string) {
  return db.selectFrom('users').select(PUBLIC_COLUMNS).where('id', '=', id).executeTakeFirst()
}

export async function userExists(db: Db, id: string): Promise<boolean> {
  return (await db.selectFrom('users').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
}

/** Up to `limit` users, newest first, those before the id `before`. */
export async function listUsers(db: Db, { limit, before }: { limit: number; before: string | undefined }) {
  return db
    .selectFrom('users')
    .select(PUBLIC_COLUMNS)
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}
