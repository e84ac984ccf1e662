/** Copies of a file: made while others write to it, checked, and put in its place. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Kysely } from 'kysely'
import { type Contents, checkContents, contentsOf } from '../../backups/contents.ts'
import type { CheckedCopy, Copies, CopyChecker, Tell } from '../../backups/copies.ts'
import type { Tables } from '../../tables.ts'
import { Connection } from '../connection.ts'
import { ConnectionDialect } from '../dialect.ts'
import { checkFile, openUnchanged } from '../upkeep/check.ts'
import { copyFile, countableTables } from './copying.ts'
import { COPY } from './finish-restore.ts'
import { refuseUsed, restoreFile } from './restoring.ts'

export const ENGINE = 'sqlite'

/** What would be taken for a part of the copy by who opens it. */
const COMPANIONS = ['-wal', '-journal', '-shm']

export const CHECKER: CopyChecker = { checkCopy }

export function copiesOfFile(file: string): Copies {
  return {
    engine: ENGINE,
    copyTo: (folder, tell) => copyFile(file, folder, tell),
    checkCopy,
    refuseUsed: async () => refuseUsed(file),
    restoreFrom: (folder, files, tell) => restoreFile(file, { folder, files, tell })
  }
}

async function checkCopy(folder: string, expected: Contents, tell: Tell): Promise<CheckedCopy> {
  const copy = path.join(folder, COPY)
  const stray = COMPANIONS.filter((suffix) => existsSync(copy + suffix))
  if (stray.length > 0)
    return { faults: stray.map((suffix) => `it has a ${COPY}${suffix}, which is not of it`), notes: [] }
  tell({ step: 'checking the file', unit: 'rows', done: 0, total: 1 })
  const faults = checkFile(copy)
  if (faults.length > 0) return { faults, notes: [] }
  const contents = await checkContentsOf(copy, expected, tell)
  return {
    ...contents,
    notes: ['all pages, indexes and references of the file were checked', ...contents.notes]
  }
}

async function checkContentsOf(copy: string, expected: Contents, tell: Tell): Promise<CheckedCopy> {
  const connection = new Connection(openUnchanged(copy))
  const db = new Kysely<Tables>({ dialect: new ConnectionDialect(() => connection) })
  try {
    const actual = await contentsOf(db, countableTables(connection))
    return await checkContents(db, { expected, actual, tell })
  } finally {
    await db.destroy()
  }
}
