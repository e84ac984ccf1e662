import { readFileSync } from 'node:fs'
import path from 'node:path'

/** Shorter ones are refused by the schema already. */
export const MIN_LENGTH = 15

/** The list that scripts/common-passwords.ts makes: a header of `#` lines, an empty line, and one password a line. */
export const COMMON_PASSWORDS_FILE = path.join(import.meta.dirname, 'common-passwords.txt')

/** A password or a name as guesses are compared: without compatibility forms (NFKC) and case. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

/** The most common passwords of `MIN_LENGTH` and more code points, folded. */
export function loadCommonPasswords(): Set<string> {
  const text = readFileSync(COMMON_PASSWORDS_FILE, 'utf8')
  return new Set(text.slice(text.indexOf('\n\n') + 2, -1).split('\n'))
}
