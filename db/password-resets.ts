import { createHash, randomInt } from 'node:crypto'
import { latestCredible } from './clock.ts'
import type { Db, ReadDb } from './tables.ts'
import { numberOfUser } from './user-numbers.ts'

export interface PasswordResetsTable {
  user_number: number
  code_hash: string
  expires_at: string
}

declare module './tables.ts' {
  interface Tables {
    password_resets: PasswordResetsTable
  }
}

/** For so long a code is good. */
export const CODE_MINUTES = 60

/** Some 137 bits. */
const CODE_LENGTH = 28
/** Without letters and digits that look alike. */
const CODE_ALPHABET = '23456789abcdefghjkmnpqrstvwxyz'

/** A new code, to be shown once, and until when it is good. */
export function drawResetCode(): { code: string; expiresAt: string } {
  const letters = Array.from({ length: CODE_LENGTH }, () => CODE_ALPHABET[randomInt(CODE_ALPHABET.length)])
  const code = letters.join('').replace(/.{4}(?=.)/g, '$&-')
  return { code, expiresAt: codeExpiry(new Date().toISOString()) }
}

/** Keeps the hash of a user's one reset code; one that was there before is no longer good. */
export async function upsertPasswordReset(
  trx: Db,
  userId: string,
  code: string,
  expiresAt: string
): Promise<void> {
  const reset = { code_hash: hashCode(code), expires_at: expiresAt }
  await trx
    .insertInto('password_resets')
    .values({ user_number: numberOfUser(userId), ...reset })
    .onConflict((conflict) => conflict.column('user_number').doUpdateSet(reset))
    .execute()
}

/** When a code of this time expires. */
export function codeExpiry(at: string): string {
  return new Date(Date.parse(at) + CODE_MINUTES * 60_000).toISOString()
}

/** Whether this is the user's code, and in time, by a clock that was not ahead. */
export async function isResetCode(db: ReadDb, userId: string, code: string, at: string): Promise<boolean> {
  const reset = await db
    .selectFrom('password_resets')
    .select('user_number')
    .where('user_number', '=', numberOfUser(userId))
    .where('code_hash', '=', hashCode(code))
    .where('expires_at', '>', at)
    .where('expires_at', '<=', codeExpiry(latestCredible(at)))
    .executeTakeFirst()
  return reset !== undefined
}

/** A code is good once, and does not outlive the password that it was for. */
export async function deletePasswordReset(trx: Db, userId: string): Promise<void> {
  await trx.deleteFrom('password_resets').where('user_number', '=', numberOfUser(userId)).execute()
}

/** Without hyphens, spaces and case, which people mistype. */
function hashCode(code: string): string {
  const folded = code.toLowerCase().replace(/[^0-9a-z]/g, '')
  return createHash('sha256').update(folded).digest('base64url')
}
