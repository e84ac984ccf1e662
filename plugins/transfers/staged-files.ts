import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

/** What is added to the name of the database. */
const SUFFIX = '.staged-'

/** Does the work with the name of a new file beside the database, and deletes that file, if it was made, and what SQLite made beside it. */
export async function withStagedFile<T>(
  databaseFile: string,
  work: (file: string) => Promise<T>
): Promise<T> {
  const file = `${databaseFile}${SUFFIX}${randomUUID()}`
  try {
    return await work(file)
  } finally {
    for (const name of [file, `${file}-journal`]) rmSync(name, { force: true })
  }
}

/** Deletes the files of imports that a crash has ended. */
export function deleteStagedFiles(databaseFile: string): void {
  const folder = path.dirname(databaseFile)
  const prefix = `${path.basename(databaseFile)}${SUFFIX}`
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix)) rmSync(path.join(folder, name), { force: true })
  }
}
