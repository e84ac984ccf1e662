/** What a folder of backups says of the last one, and of a failure since: all processes that share the folder see the same. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { backupsAmong, isCredible, momentOf } from './folder.ts'

const FAILURE = '.failed.json'

export interface Failure {
  at: Date
  reason: string
}

export interface BackupState {
  /** The moment that the newest verified backup is of. */
  lastAt: Date | undefined
  /** Since then. */
  failure: Failure | undefined
}

/** For those who may see neither folders nor reasons, which are in the log. */
export function timesOf({ lastAt, failure }: BackupState) {
  return {
    last_verified_at: lastAt?.toISOString() ?? null,
    last_failed_at: failure?.at.toISOString() ?? null
  }
}

/** Throws when the folder is there and cannot be read. */
export async function readState(folder: string): Promise<BackupState> {
  const moments = backupsAmong(await namesIn(folder)).map(momentOf)
  const lastAt = moments.find((at) => isCredible(at))
  return { lastAt, failure: lastFailure([await failureIn(folder)], lastAt) }
}

/** The last of these that came after the last backup. */
export function lastFailure(
  failures: readonly (Failure | undefined)[],
  lastAt: Date | undefined
): Failure | undefined {
  return failures
    .filter((failure) => failure !== undefined)
    .filter(({ at }) => isCredible(at) && !(lastAt !== undefined && at < lastAt))
    .toSorted((one, other) => Number(other.at) - Number(one.at))[0]
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function failureIn(folder: string): Promise<Failure | undefined> {
  try {
    const { at, reason } = JSON.parse(await readFile(path.join(folder, FAILURE), 'utf8'))
    return { at: new Date(at), reason: String(reason) }
  } catch {
    return undefined
  }
}

/** Where the folder cannot even take this, the process remembers it for itself. */
export async function noteFailure(folder: string, { at, reason }: Failure): Promise<void> {
  const text = JSON.stringify({ at: at.toISOString(), reason })
  await writeFile(path.join(folder, FAILURE), text, { mode: 0o600 }).catch(() => {})
}

export async function forgetFailure(folder: string): Promise<void> {
  await rm(path.join(folder, FAILURE), { force: true }).catch(() => {})
}
