import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'

/** With fewer bytes it has empty tables only; a thousand rows are some two million. */
const LEAST_WITH_ROWS = 128 * 1024

/** The files beside the database in which imports are staged. */
export function stagedFiles(databaseFile: string): string[] {
  const folder = path.dirname(databaseFile)
  const prefix = `${path.basename(databaseFile)}.staged-`
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => path.join(folder, name))
}

/** Whether an import is being staged, or is staged and being written to the catalogue; nothing when there is none. */
export function importUnderWay(databaseFile: string): 'staging' | 'importing' | undefined {
  const [size] = stagedFiles(databaseFile).map((file) => statSync(file, { throwIfNoEntry: false })?.size)
  if (size === undefined) return undefined
  return size < LEAST_WITH_ROWS ? 'staging' : 'importing'
}
