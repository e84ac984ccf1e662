import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Place } from './place.ts'

/** With fewer bytes it has empty tables only; a thousand rows are some two million. */
const LEAST_WITH_ROWS = 128 * 1024
/** What the folder of a process begins with, and in it the files that are staged. */
const SPOOL = 'library-spool-'
const IN_SPOOL = 'library.staged-'

/** The files in which imports are staged. */
export function stagedFiles({ databaseUrl, spoolDir }: Place): string[] {
  if (spoolDir !== undefined) return spools(spoolDir).flatMap((folder) => filesIn(folder, IN_SPOOL))
  return filesIn(path.dirname(databaseUrl), `${path.basename(databaseUrl)}.staged-`)
}

/** What should not be there once a killed service was started again. */
export function leftFiles(place: Place): string[] {
  const others = place.spoolDir === undefined ? [] : spools(place.spoolDir).slice(1)
  return [...stagedFiles(place), ...others]
}

function spools(folder: string): string[] {
  return filesIn(folder, SPOOL)
}

function filesIn(folder: string, prefix: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => path.join(folder, name))
}

/** Whether an import is being staged, or is staged and being written to the catalogue; nothing when there is none. */
export function importUnderWay(place: Place): 'staging' | 'importing' | undefined {
  const [size] = stagedFiles(place).map((file) => statSync(file, { throwIfNoEntry: false })?.size)
  if (size === undefined) return undefined
  return size < LEAST_WITH_ROWS ? 'staging' : 'importing'
}
