import { Problem } from '../problems.ts'
import { etagOf } from './representation.ts'

/** Of which version a change may be made: the headers of a request, as they came. */
export interface Preconditions {
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
}

/**
 * Throws `STALE_VERSION`, with the current ETag, when `If-Match` is there and neither `*` nor names the current version, or when
 * `If-None-Match` is `*` or names it (RFC 9110 section 13).
 */
export function assertCurrent(
  author: { id: string; version: number },
  { ifMatch = '*', ifNoneMatch = '' }: Preconditions
): void {
  const etag = etagOf(author)
  // The strong comparison: a weak tag matches nothing.
  const isMatch = ifMatch.trim() === '*' || tagsIn(ifMatch).includes(etag)
  if (isMatch && !isUnmodified(etag, ifNoneMatch)) return
  throw new Problem('STALE_VERSION', [etag], { headers: { etag } })
}

/** Whether `If-None-Match` names this ETag, by the weak comparison, or is `*`. */
export function isUnmodified(etag: string, ifNoneMatch = ''): boolean {
  if (ifNoneMatch === etag || ifNoneMatch.trim() === '*') return true
  return tagsIn(ifNoneMatch).some((tag) => tag.replace(/^W\//, '') === etag)
}

function tagsIn(list: string): string[] {
  return list.split(',').map((tag) => tag.trim())
}
