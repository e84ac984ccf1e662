import { randomBytes } from 'node:crypto'
import argon2 from 'argon2'

/** OWASP's second choice for argon2id: 19 MiB, two passes, one lane. */
export const ARGON2 = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** With 8 to 64 bytes of salt and 16 to 64 of hash. */
const PHC = /^\$argon2id\$v=19\$((?:[mtp]=\d{1,7},){2}[mtp]=\d{1,7})\$([\w+/]{11,86})\$([\w+/]{22,86})$/
/** Memory in KiB. */
const BOUNDS = { m: [8, 262_144], t: [1, 10], p: [1, 4] } as const
/** KiB that may be gone through: 26 times as much as for our own, about half a second. */
const MAX_WORK = 1024 * 1024

/**
 * Whether a stored hash, a PHC string, is of argon2id with parameters that can be computed without harm: a changed
 * database must not be able to ask for hours of work or all of the memory.
 */
export function isSane(phc: string): boolean {
  const [, parameters = '', salt = '', hash = ''] = PHC.exec(phc) ?? []
  const values = new Map(parameters.split(',').map((parameter) => parameter.split('=') as [string, string]))
  const [m, t, p] = ['m', 't', 'p'].map((name) => Number(values.get(name))) as [number, number, number]
  const inBounds = within(m, BOUNDS.m) && within(t, BOUNDS.t) && within(p, BOUNDS.p)
  return inBounds && m * t <= MAX_WORK && m >= 8 * p && isBase64(salt) && isBase64(hash)
}

function within(value: number, [least, most]: readonly [number, number]): boolean {
  return value >= least && value <= most
}

/** As a PHC string has it. */
function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

function isBase64(text: string): boolean {
  return unpadded(Buffer.from(text, 'base64')) === text
}

/** A hash of nothing that costs what a real one costs, so that an unknown user cannot be told by the clock. */
export function decoyHash(): string {
  const base64 = (bytes: number) => unpadded(randomBytes(bytes))
  const { memoryCost, timeCost, parallelism } = ARGON2
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${base64(16)}$${base64(32)}`
}
