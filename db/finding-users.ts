import type { ReadDb } from './tables.ts'
import { usernameKey } from './text.ts'
import { PUBLIC_COLUMNS, type PublicUser, type Role, selectUsers, toUser } from './users.ts'

/** What users are looked for by; all of it must hold. */
export interface UserFilter {
  /** How the username begins, as it is compared. */
  beginning?: string | undefined
  role?: Role | undefined
  disabled?: boolean | undefined
}

/** Comes after all that a username can go on with. */
const LAST_CHARACTER = '\u{10ffff}'

/** Up to `limit` users whom the filter fits, newest first, those before the id `before`. */
export async function listUsers(
  db: ReadDb,
  { limit, before }: { limit: number; before: string | undefined },
  { beginning, role, disabled }: UserFilter = {}
): Promise<PublicUser[]> {
  const key = beginning === undefined ? '' : usernameKey(beginning)
  const rows = await selectUsers(db)
    .select(PUBLIC_COLUMNS)
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .$if(key !== '', (query) =>
      query.where('username_key', '>=', key).where('username_key', '<', key + LAST_CHARACTER)
    )
    .$if(role !== undefined, (query) => query.where('role', '=', role as Role))
    .$if(disabled !== undefined, (query) => query.where('disabled_at', disabled ? 'is not' : 'is', null))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toUser)
}
