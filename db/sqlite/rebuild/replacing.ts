import { chownSync, closeSync, fsyncSync, openSync, renameSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type Sqlite from 'better-sqlite3'
import { DatabaseRefused } from '../errors.ts'

const MEGABYTE = 1_000_000

/** Throws `DatabaseRefused` when the disk has no room for the new file beside the old one. */
export function checkSpace(
  database: Sqlite.Database,
  { file, target, growth }: { file: string; target: string; growth: number }
): void {
  const pragmaOf = (name: string) => database.pragma(`old.${name}`, { simple: true }) as number
  const used = (pragmaOf('page_count') - pragmaOf('freelist_count')) * pragmaOf('page_size')
  const needed = Math.ceil((used * growth) / MEGABYTE)
  const { bavail, bsize } = statfsSync(dirname(file))
  const free = Math.floor((bavail * bsize) / MEGABYTE)
  if (needed <= free) return
  throw new DatabaseRefused(
    `${target} may need ${needed} MB beside ${file}, and the disk has ${free} MB left: make room, then try again. ` +
      'Nothing was changed.'
  )
}

/** Gives a file the owner of another, which only root can do and need do. */
export function likeFile(file: string, model: string): void {
  const { uid, gid } = statSync(model)
  if (process.getuid?.() === 0) chownSync(file, uid, gid)
}

/** Puts a file that is on the disk already in the place of another: at any moment there is one or the other, whole. */
export function replaceFile(file: string, replacement: string): void {
  // The log of the old file must be gone before the new one has its name.
  syncFolder(dirname(file))
  try {
    renameSync(replacement, file)
  } catch (error) {
    throw new DatabaseRefused(
      `${file} cannot be replaced by ${replacement} (${(error as Error).message}), and was left as it is.`
    )
  }
  syncFolder(dirname(file))
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
