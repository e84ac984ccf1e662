/** What lies beside the files of a backup: what they are, and by what it is known that they still are. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { DatabaseRefused } from '../refusals.ts'
import { MANIFEST } from './folder.ts'

const Count = Type.Integer({ minimum: 0 })
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Time = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' })

const Manifest = Type.Object(
  {
    format: Type.Literal(1),
    /** Of the service that made it. */
    version: Type.String({ minLength: 1 }),
    engine: Type.String({ minLength: 1 }),
    /** The last migration. */
    schema: Type.String({ minLength: 1 }),
    /** The moment that all of it is of. */
    made_at: Time,
    verified_at: Time,
    /** How it was verified, and what could not be. */
    verified_by: Type.Array(Type.String()),
    /** Rows by table. */
    counts: Type.Record(Type.String(), Count),
    /** Of the last change of an author. */
    last_sequence: Count,
    // A name never leads out of the folder.
    files: Type.Array(
      Type.Object(
        { name: Type.String({ pattern: '^[a-z][a-z0-9.-]*$' }), bytes: Count, sha256: Sha256 },
        { additionalProperties: false }
      ),
      { minItems: 1 }
    ),
    /** SHA-256 of all else that stands here. */
    checksum: Sha256
  },
  { additionalProperties: false }
)
export type Manifest = Static<typeof Manifest>

/** The text of a manifest, with its checksum. */
export function sealed(manifest: Omit<Manifest, 'checksum'>): string {
  return `${JSON.stringify({ ...manifest, checksum: checksumOf(manifest) }, null, 2)}\n`
}

function checksumOf(manifest: object): string {
  return createHash('sha256').update(JSON.stringify(manifest)).digest('hex')
}

/** The manifest of the backup in this folder. Throws `DatabaseRefused` when there is none, or it is not as it was written. */
export function readManifest(folder: string): Manifest {
  const text = textIn(folder)
  const manifest = parsed(text)
  if (!Value.Check(Manifest, manifest))
    throw new DatabaseRefused(`${folder} is spoilt: its ${MANIFEST} is not what one should be.`)
  const { checksum, ...rest } = manifest
  if (checksum !== checksumOf(rest))
    throw new DatabaseRefused(`${folder} is spoilt: its ${MANIFEST} was changed after it was written.`)
  return manifest
}

function textIn(folder: string): string {
  try {
    return readFileSync(path.join(folder, MANIFEST), 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' || code === 'ENOTDIR' ? `it has no ${MANIFEST}` : message
    throw new DatabaseRefused(`${folder} is no backup: ${reason}.`)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
