import { assertCurrent } from '../authors/preconditions.ts'
import { findAuthor, findAuthorNumber } from '../authors/reading.ts'
import { type Condemned, eraseAuthor } from '../authors/removing.ts'
import { serviceCommand, userCommand } from '../command.ts'
import { isTombstone } from '../history/remains.ts'
import { trimSome } from '../history/trimming.ts'
import { eraseAnswers } from '../idempotency-keys.ts'
import { findLastVersion } from '../last-versions.ts'
import { Problem } from '../problems.ts'
import type { ReadDb } from '../tables.ts'
import type { Target } from './authors.ts'

/** So much is done at once; others write in between. */
const VERSIONS_A_SLICE = 200
const ANSWERS_A_SLICE = 500

interface Purged {
  id: string
  /** Whether it must be called again. */
  isDone: boolean
}

/**
 * Erases an author with its history, in slices: the oldest versions go first, and with the last of them all that there is. One that was erased before is
 * left as it is. Throws `AUTHOR_NOT_FOUND` or `STALE_VERSION`.
 */
export const purgeAuthor = userCommand<Target, Purged>(
  'purgeAuthor',
  'admin',
  async (trx, { idOrSlug, preconditions, actor, at }) => {
    const { isErased, ...author } = await getCondemned(trx, idOrSlug)
    const { id, number, version, stored } = author
    if (isErased) return { id, isDone: true }
    assertCurrent({ id, version: stored?.version ?? version }, preconditions)
    if ((await trimSome(trx, number, VERSIONS_A_SLICE)) === VERSIONS_A_SLICE) return { id, isDone: false }
    await eraseAuthor(trx, author, { actor, at })
    return { id, isDone: true }
  }
)

async function getCondemned(db: ReadDb, idOrSlug: string): Promise<Condemned & { isErased: boolean }> {
  const number = await findAuthorNumber(db, idOrSlug)
  const last = number === undefined ? undefined : await findLastVersion(db, number)
  if (number === undefined || last === undefined) throw new Problem('AUTHOR_NOT_FOUND', [idOrSlug])
  const { version, operation, before } = last
  if (operation !== 'deleted') {
    const stored = await findAuthor(db, idOrSlug)
    return { number, id: stored?.id as string, version, stored, isErased: false }
  }
  const { id } = JSON.parse(before as string)
  return { number, id, version, stored: undefined, isErased: isTombstone(before as string) }
}

/** Takes an erased author out of some of the answers that are kept for retries; gives where to go on, or undefined at their end. */
export const purgeAnswersOf = serviceCommand<{ authorId: string; after: number }, number | undefined>(
  'purgeAnswersOf',
  async (trx, { authorId, after }) => eraseAnswers(trx, authorId, { after, limit: ANSWERS_A_SLICE })
)
