import CONFUSABLES from 'unhomoglyph/data.json' with { type: 'json' }
import { foldCase, foldText } from './folding.ts'

export { fold, foldText, indexedWordsOf, wordsOf, wordsOfFolded } from './folding.ts'

/** The database sees only text that was folded here, so that every engine compares alike. */

/** Longer than any username in any of its spellings. */
const LONGEST_USERNAME = 1000

/**
 * What two usernames have in common when they are the same to a reader: NFKC, without case. What is too long for one stays as it
 * is, for to put a long row of marks in order takes quadratic time.
 */
export function usernameKey(username: string): string {
  if (username.length > LONGEST_USERNAME) return username
  return foldCase(username.normalize('NFKC')).normalize('NFKC')
}

/** What two usernames have in common when they look the same, also in lower case: the skeleton of Unicode UTS 39. */
export function usernameSkeleton(username: string): string {
  return skeletonOf(usernameKey(skeletonOf(username)))
}

/** UTS 39 section 4, but for its order of what is written from right to left. */
function skeletonOf(text: string): string {
  const visible = text.normalize('NFD').replace(/\p{DI}/gu, '')
  return [...visible]
    .map((character) => PROTOTYPES[character] ?? character)
    .join('')
    .normalize('NFD')
}

/** The character that stands for each that looks like it (confusables.txt of UTS 39). */
const PROTOTYPES: Record<string, string> = CONFUSABLES

/** A slug as it is kept, however a person typed it. */
export function foldSlug(slug: string): string {
  return foldCase(slug).normalize('NFC')
}

/** What is neither a letter nor a digit of any script, nor one of their marks. */
const NO_WORD = /[^\p{L}\p{M}\p{N}]+/gu

const SLUG_LENGTH = 80
/** What stands in the place of a slug in an address. */
const RESERVED_SLUGS = ['export', 'import']
const UUID_SHAPE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function isUuid(text: string): boolean {
  return UUID_SHAPE.test(text)
}

/**
 * A name for an address: folded letters and digits of any script, joined by hyphens (`salman-rushdie`).
 * A name without any becomes `author`, and none is like an id or a part of an address, since they stand in the same place.
 */
export function slugify(name: string): string {
  return slugOfFolded(foldText(name))
}

export function slugOfFolded(name: string): string {
  const words = name.replace(NO_WORD, '-')
  // In a slug, which has no other characters, a sigma may end a word that went on in the name.
  const slug = foldSlug([...words].slice(0, SLUG_LENGTH).join('').replace(/^-|-$/g, ''))
  if (slug === '') return 'author'
  return isUuid(slug) || RESERVED_SLUGS.includes(slug) ? `author-${slug}` : slug
}

/** The time in a UUIDv7 (RFC 9562 section 5.7), as ISO 8601. */
export function timeOf(uuidv7: string): string {
  return new Date(Number.parseInt(uuidv7.slice(0, 8) + uuidv7.slice(9, 13), 16)).toISOString()
}
