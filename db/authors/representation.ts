import { hash } from 'node:crypto'
import type { Representation } from '../command.ts'

interface Versioned {
  id: string
  version: number
}

interface Stored extends Versioned {
  slug: string
  /** The author as JSON. */
  record: string
}

/**
 * The strong validator of an author's representation (RFC 9110 section 8.8.3). A slug can pass to another author, whose
 * versions begin at 1 again, so the random part of the id is in it too.
 */
export function etagOf({ id, version }: Versioned): string {
  return `"${id.slice(-12)}.${version}"`
}

/** The same with names in it, which change without the author; to change an author it counts as that of its version. */
export function namedTag(etag: string, name: string | null | undefined): string {
  return `${etag.slice(0, -1)}~${hash('sha256', JSON.stringify(name ?? null), 'base64url').slice(0, 8)}"`
}

/** The path at which an author is found. */
export function addressOf({ slug }: { slug: string }): string {
  return `/authors/${encodeURIComponent(slug)}`
}

/** What a write answers of an author that has changed. */
export function representationOf(author: Stored): Representation {
  return { etag: etagOf(author), body: author.record }
}

/** What a write answers of an author that was not at its address before. */
export function newRepresentationOf(author: Stored): Representation {
  return { location: addressOf(author), ...representationOf(author) }
}
