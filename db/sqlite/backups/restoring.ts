/** Puts a copy in the place of a file, which is kept under another name. */
import { existsSync, mkdirSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { BackedUpFile, Restored, Tell } from '../../backups/copies.ts'
import { copyFiles, sizeOf } from '../../backups/files.ts'
import { holdLock, releaseLock } from '../../file-lock.ts'
import { makeFolder, sync } from '../../folders.ts'
import { DatabaseRefused, fileRefused } from '../errors.ts'
import { likeFile } from '../rebuild/replacing.ts'
import { ASIDE, finishRestore, KEYS, READY } from './finish-restore.ts'

const NOT_READY = '.restoring-partial'
const MEGABYTE = 1_000_000

interface Source {
  folder: string
  files: readonly BackedUpFile[]
  tell: Tell
}

/** Throws `DatabaseRefused` while a service has the file. */
export function refuseUsed(file: string): void {
  if (!existsSync(file)) return
  hold(file)
  releaseLock(lockOf(file))
}

/** Throws `DatabaseRefused`, and all is as it was then. */
export async function restoreFile(file: string, source: Source): Promise<Restored> {
  refuseOther(file)
  makeFolderOf(file)
  hold(file)
  try {
    finishRestore(file)
    checkSpace(file, source)
    await makeReady(file, source)
    return { place: file, setAside: finishRestore(file) }
  } catch (error) {
    throw asRefusal(error, file)
  } finally {
    rmSync(file + NOT_READY, { recursive: true, force: true })
    releaseLock(lockOf(file))
  }
}

/** Everything is on the disk before the folder gets the name by which it counts. */
async function makeReady(file: string, { folder, files, tell }: Source): Promise<void> {
  const partial = file + NOT_READY
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { mode: 0o700 })
  const pathsOf = ({ name }: BackedUpFile) => ({
    from: path.join(folder, name),
    to: path.join(partial, name)
  })
  await copyFiles(
    files.map((each) => ({ ...each, ...pathsOf(each) })),
    tell
  )
  writeFileSync(path.join(partial, ASIDE), asideNow(file), { mode: 0o600, flush: true })
  const model = existsSync(file) ? file : path.dirname(file)
  for (const { name } of files) likeFile(path.join(partial, name), model)
  sync(partial)
  renameSync(partial, file + READY)
  sync(path.dirname(file))
}

/** A name that no earlier restore has given. */
function asideNow(file: string, at = new Date()): string {
  const name = `before-${at.toISOString().slice(0, 19).replaceAll(':', '-')}Z`
  const isTaken = [`${file}.${name}`, `${file}.${name}${KEYS}`].some((taken) => existsSync(taken))
  return isTaken ? asideNow(file, new Date(at.getTime() + 1000)) : name
}

function refuseOther(file: string): void {
  if (!existsSync(file) || statSync(file).isFile()) return
  throw new DatabaseRefused(`${file} is no file: set DATABASE_URL to one, which need not be there yet.`)
}

function makeFolderOf(file: string): void {
  try {
    makeFolder(path.dirname(file))
  } catch (error) {
    throw asRefusal(error, file)
  }
}

function checkSpace(file: string, { files }: Source): void {
  const { bavail, bsize } = statfsSync(path.dirname(file))
  const [needed, free] = [sizeOf(files), bavail * bsize]
  if (needed <= free) return
  const inMegabytes = (bytes: number) => Math.ceil(bytes / MEGABYTE)
  throw new DatabaseRefused(
    `The backup needs ${inMegabytes(needed)} MB beside ${file}, and its disk has ${inMegabytes(free)} MB left: make room, then try again. Nothing was changed.`
  )
}

function hold(file: string): void {
  const pid = holdLock(lockOf(file))
  if (pid === undefined) return
  throw new DatabaseRefused(
    `${file} is in use by the process with the id ${pid}: end the service first, then try again. Nothing was changed.`
  )
}

function lockOf(file: string): string {
  return `${file}.lock`
}

function asRefusal(error: unknown, file: string): unknown {
  const { syscall } = error as NodeJS.ErrnoException
  if (syscall === undefined) return error
  return new DatabaseRefused(fileRefused(error as NodeJS.ErrnoException, file), { cause: error })
}
