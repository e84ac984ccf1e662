import { findApiKeyUser } from './api-keys.ts'
import { findSessionUser } from './sessions.ts'
import type { ReadDb } from './tables.ts'

/** What a request showed to be let in: a session by its access token, or an API key. */
export interface Credential {
  sessionId?: string
  keyHash?: string
}

/** The user whom the credential stands for, if it is good at this moment. */
export async function findBearer(db: ReadDb, { sessionId = '', keyHash }: Credential, at?: string) {
  return keyHash === undefined ? findSessionUser(db, sessionId, at) : findApiKeyUser(db, keyHash, at)
}
