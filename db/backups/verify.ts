import path from 'node:path'
import { DatabaseRefused } from '../refusals.ts'
import type { CopyChecker, Tell } from './copies.ts'
import { findSpoiltFiles } from './files.ts'
import { type Manifest, readManifest } from './manifest.ts'

/** A backup that was found good. */
export interface Verified {
  folder: string
  manifest: Manifest
  notes: string[]
}

/** What checks the copies of an engine that a manifest names. Throws `DatabaseRefused` when there is no such engine. */
export type FindChecker = (engine: string) => Promise<CopyChecker>

export interface VerifyOptions {
  checkerOf: FindChecker
  /** All migrations that this version knows. */
  known: readonly string[]
  tell: Tell
}

/** Compares a backup with its manifest, and what it holds with itself. Throws `DatabaseRefused` unless it is good; it is only read. */
export async function verifyBackup(
  folder: string,
  { checkerOf, known, tell }: VerifyOptions
): Promise<Verified> {
  const manifest = readManifest(folder)
  refuseNewer(folder, manifest, known)
  const spoilt = await findSpoiltFiles(folder, manifest.files, tell)
  refuseFaults(folder, spoilt)
  const { schema, counts, last_sequence: lastSequence } = manifest
  const checker = await checkerOf(manifest.engine)
  const { faults, notes } = await checker.checkCopy(folder, { schema, counts, lastSequence }, tell)
  refuseFaults(folder, faults)
  return { folder, manifest, notes }
}

function refuseNewer(folder: string, { schema, version }: Manifest, known: readonly string[]): void {
  if (known.includes(schema)) return
  throw new DatabaseRefused(
    `${folder} was made by version ${version} with the migration "${schema}", which this version does not know: use that version, or a newer one.`
  )
}

function refuseFaults(folder: string, faults: readonly string[]): void {
  if (faults.length === 0) return
  throw new DatabaseRefused(`${folder} is spoilt: ${faults.join('; ')}.`)
}

/** The first of these backups that is good; `hear` learns of those that are not. Throws `DatabaseRefused` when none is. */
export async function findGood(
  folders: readonly string[],
  options: VerifyOptions,
  hear: (refusal: string) => void
): Promise<Verified> {
  for (const folder of folders) {
    try {
      return await verifyBackup(folder, options)
    } catch (error) {
      if (!(error instanceof DatabaseRefused)) throw error
      if (folders.length === 1) throw error
      hear(error.message)
    }
  }
  throw new DatabaseRefused(
    `None of the ${folders.length} backups in ${path.dirname(folders[0] as string)} is good.`
  )
}
