import { StaleVersion, withExtras } from '../../schemas/errors.ts'

interface Versioned {
  id: string
  version: number
}

/**
 * The strong validator of an author's representation (RFC 9110 section 8.8.3). A slug can pass to another author, whose
 * versions begin anew, so the random part of the id is in it too.
 */
export function etagOf({ id, version }: Versioned): string {
  return `"${id.slice(-12)}.${version}"`
}

/** Throws `StaleVersion`, with the current ETag, unless `If-Match` is absent, `*`, or names the current version. */
export function refuseStale(current: Versioned, ifMatch: string | undefined): void {
  const etag = etagOf(current)
  if (ifMatch === undefined || ifMatch === '*') return
  if (ifMatch.split(',').some((tag) => tag.trim() === etag)) return
  throw withExtras(new StaleVersion(etag), { headers: { etag } })
}
