/** What a command may refuse, by the code of its problem, with what fills in the problem's detail. */
export interface Refusals {
  ACCESS_TOKEN_ONLY: []
  AUTHOR_EXISTS: [where: string]
  AUTHOR_NOT_DELETED: [idOrSlug: string]
  AUTHOR_NOT_FOUND: [idOrSlug: string]
  AUTHOR_PURGED: [idOrSlug: string]
  IDEMPOTENCY_KEY_REUSED: []
  IDENTIFIER_TAKEN: [where: string, scheme: string]
  INVALID_CREDENTIALS: []
  INVALID_RESET_CODE: []
  INVALID_TOKEN: []
  KEY_NOT_FOUND: [id: string]
  LAST_ADMIN: []
  NOT_OWNER: []
  ROLE_REQUIRED: [role: string]
  SESSION_NOT_FOUND: [id: string]
  STALE_VERSION: [etag: string]
  USERNAME_TAKEN: [username: string]
  USER_NOT_FOUND: [id: string]
  VALIDATION_FAILED: []
  WRONG_PASSWORD: []
}

/** What the problem document or the answer's headers have beside the detail. */
export interface Extras {
  errors?: { pointer: string; detail: string }[]
  headers?: Record<string, string>
  /** A path of this service in its detail. */
  address?: string
}

/** A refusal as plain data, for another thread. */
export interface Refusal {
  code: keyof Refusals
  details: string[]
  extras: Extras
}

/** Why a command did not do what it was asked for; the door makes the documented problem of it. */
export class Problem<Code extends keyof Refusals = keyof Refusals> extends Error implements Refusal {
  override readonly name = 'Problem'
  readonly code: Code
  readonly details: string[]
  readonly extras: Extras

  constructor(code: Code, details: Refusals[Code], extras: Extras = {}) {
    super(`${code} ${details.join(' ')}`)
    this.code = code
    this.details = details
    this.extras = extras
  }
}
