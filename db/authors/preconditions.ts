import { namesVersion, withoutNames } from '../entity-tags.ts'
import { Problem } from '../problems.ts'
import { etagOf } from './representation.ts'

/** Of which version a change may be made: the headers of a request, as they came. */
export interface Preconditions {
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
}

/**
 * Throws `STALE_VERSION`, with the current ETag, when `If-Match` is there and neither `*` nor names the current version, or when
 * `If-None-Match` is `*` or names it. RFC 9110 section 13.1.1 asks for the strong comparison, by which a weakened tag never matches and
 * the client would be told for ever that the author has changed; `namesVersion` says why the weak form counts here.
 */
export function assertCurrent(
  author: { id: string; version: number },
  { ifMatch = '*', ifNoneMatch = '' }: Preconditions
): void {
  const etag = etagOf(author)
  if (namesVersion(withoutNames(ifMatch), etag) && !namesVersion(ifNoneMatch, etag)) return
  throw new Problem('STALE_VERSION', [etag], { headers: { etag } })
}
