/** The secrets that private keys are encrypted with, where a database has them. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Config } from '../../config.ts'
import { BASE_FOLDER } from '../../db/base-folder.ts'
import { KeysRefused } from './refused.ts'

const BYTES = 32
const HOW_TO_MAKE_ONE = '`openssl rand -base64 32` makes one'

export type SecretSettings = Pick<Config, 'KEYS_SECRET' | 'KEYS_SECRET_FILE'>

/** Those that are set: the first encrypts, each decrypts. Throws `KeysRefused`, which never quotes one. */
export function secretsOf({ KEYS_SECRET, KEYS_SECRET_FILE }: SecretSettings): Buffer[] {
  if (KEYS_SECRET !== '' && KEYS_SECRET_FILE !== '')
    throw new KeysRefused('KEYS_SECRET and KEYS_SECRET_FILE are both set: leave one of them out.')
  if (KEYS_SECRET_FILE === '') return parse('KEYS_SECRET', KEYS_SECRET)
  const file = path.resolve(BASE_FOLDER, KEYS_SECRET_FILE)
  const secrets = parse(file, read(file))
  if (secrets.length > 0) return secrets
  throw new KeysRefused(`${file}, which KEYS_SECRET_FILE names, is empty: ${HOW_TO_MAKE_ONE}.`)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new KeysRefused(
      `${file}, which KEYS_SECRET_FILE names, cannot be read (${code}): correct the path, or let the service's user read it.`
    )
  }
}

function parse(place: string, text: string): Buffer[] {
  return text
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map((word) => decode(place, word))
}

function decode(place: string, word: string): Buffer {
  const secret = Buffer.from(word, 'base64')
  if (/^[\w+/-]+=*$/.test(word) && secret.length === BYTES) return secret
  throw new KeysRefused(
    `${place} must be ${BYTES} bytes in Base64, or several such secrets with commas between: ${HOW_TO_MAKE_ONE}.`
  )
}
