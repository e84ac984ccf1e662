/** Makes the table of Latin letters that fold to what a plain keyboard types: `npm run latin-letters`. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import anyAscii from 'any-ascii'
import { helpIfAsked } from './command-line/read.ts'

export const LATIN_LETTERS_FILE = path.join(import.meta.dirname, '../db/latin-letters.json')
const LAST_CODE_POINT = 0x10ffff

/**
 * The letters of the Latin script that Unicode does not take apart, by what the npm package any-ascii writes for them; those that it
 * takes for an apostrophe are among them. The service has the table alone: keys that are stored must not change with another
 * version of the package, and to load all its scripts takes 15 ms and 5 MB.
 */
export function generateLatinLetters(): string {
  const table: Record<string, string> = {}
  for (let code = 0x80; code <= LAST_CODE_POINT; code++) {
    const letter = String.fromCodePoint(code)
    if (!/[\p{Script=Latin}--[A-Za-z]]/v.test(letter) || letter.normalize('NFKD') !== letter) continue
    // Of some it knows one case only.
    const typed = [letter, letter.toLowerCase(), letter.toUpperCase()].map(typedAs).find((one) => one !== '')
    if (typed !== undefined) table[typed] = (table[typed] ?? '') + letter
  }
  return `${JSON.stringify(table, Object.keys(table).sort(), 2)}\n`
}

function typedAs(letter: string): string {
  const ascii = anyAscii(letter)
  return ascii === '`' ? "'" : ascii.toLowerCase().replace(/[^a-z0-9']/g, '')
}

if (import.meta.main) {
  helpIfAsked('usage: npm run latin-letters')
  writeFileSync(LATIN_LETTERS_FILE, generateLatinLetters())
}
