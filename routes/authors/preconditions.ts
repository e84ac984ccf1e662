import { StaleVersion, withExtras } from '../../schemas/errors.ts'

interface Versioned {
  id: string
  version: number
}

interface Conditions {
  'if-match'?: string
  'if-none-match'?: string
}

/**
 * The strong validator of an author's representation (RFC 9110 section 8.8.3). A slug can pass to another author, whose
 * versions begin anew, so the random part of the id is in it too.
 */
export function etagOf({ id, version }: Versioned): string {
  return `"${id.slice(-12)}.${version}"`
}

/**
 * Throws `StaleVersion`, with the current ETag, when `If-Match` is there and neither `*` nor names the current version, or when
 * `If-None-Match` is `*` or names it (RFC 9110 section 13).
 */
export function refuseStale(current: Versioned, conditions: Conditions): void {
  const etag = etagOf(current)
  const { 'if-match': ifMatch = '*', 'if-none-match': ifNoneMatch = '' } = conditions
  // The strong comparison: a weak tag matches nothing.
  const matches = ifMatch.trim() === '*' || tagsIn(ifMatch).includes(etag)
  if (matches && !isUnmodified(etag, ifNoneMatch)) return
  throw withExtras(new StaleVersion(etag), { headers: { etag } })
}

/** Whether `If-None-Match` names this ETag, by the weak comparison, or is `*`. */
export function isUnmodified(etag: string, ifNoneMatch = ''): boolean {
  if (ifNoneMatch === etag || ifNoneMatch.trim() === '*') return true
  return tagsIn(ifNoneMatch).some((tag) => tag.replace(/^W\//, '') === etag)
}

function tagsIn(list: string): string[] {
  return list.split(',').map((tag) => tag.trim())
}
