/** The database sees only text that was folded here, so that every engine compares alike. */

/** Case folding, near enough to Unicode's: upper case first joins what has several lower-case forms (ß and ss, ς and σ). */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase()
}

/** What two usernames have in common when they are the same to a reader: NFKC, without case. */
export function usernameKey(username: string): string {
  return foldCase(username.normalize('NFKC')).normalize('NFKC')
}

/** Elsewhere a mark makes another letter (й, が, मे), and Hangul falls apart without its own normal form. */
const DIACRITICS = /(?<=[\p{Script=Latin}\p{Script=Greek}])\p{M}+/gu

/** What two texts have in common when they differ only in case, Latin and Greek diacritics, or white space. */
export function foldText(text: string): string {
  return foldCase(text.normalize('NFKD').replace(DIACRITICS, ''))
    .normalize('NFC')
    .replace(/\s+/gu, ' ')
    .trim()
}

/** A slug as it is kept, however a person typed it. */
export function foldSlug(slug: string): string {
  return foldCase(slug).normalize('NFC')
}

const SLUG_LENGTH = 80
const UUID_SHAPE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function isUuid(text: string): boolean {
  return UUID_SHAPE.test(text)
}

/**
 * A name for an address: folded letters and digits of any script, joined by hyphens (`salman-rushdie`).
 * A name without any becomes `author`, and none looks like an id, since both stand in the same place of an address.
 */
export function slugify(name: string): string {
  const words = foldText(name).replace(/[^\p{L}\p{M}\p{N}]+/gu, '-')
  const slug = [...words]
    .slice(0, SLUG_LENGTH)
    .join('')
    .replace(/^-+|-+$/g, '')
  if (slug === '') return 'author'
  return isUuid(slug) ? `author-${slug}` : slug
}
