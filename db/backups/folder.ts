/** The folder that holds backups, each in a folder of its own by whose name it is known to be whole. */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { latestCredible } from '../clock.ts'
import { type HeldLock, tryLock } from '../file-lock.ts'
import { makeFolder } from '../folders.ts'
import { DatabaseRefused } from '../refusals.ts'

const NAME = /^library-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/
/** What is not whole yet, and what no one takes for good. */
export const PARTIAL = '.partial'
const LOCK = '.lock'
export const MANIFEST = 'manifest.json'

/** Makes the folder, for its owner alone, unless it is there. */
export function makeBackupFolder(folder: string): void {
  refusing(folder, () => makeFolder(folder))
}

/** Does the work while no other process makes a backup there; gives nothing when one does. */
export async function whileAlone<T>(folder: string, work: () => Promise<T>): Promise<T | undefined> {
  const lock = refusing(folder, () => takeLock(path.join(folder, LOCK)))
  if (lock === undefined) return undefined
  try {
    return await work()
  } finally {
    lock.release()
  }
}

function takeLock(file: string): HeldLock | undefined {
  // Made for its owner alone, which the library does not do.
  closeSync(openSync(file, 'a', 0o600))
  return tryLock(file)
}

/** A new folder for what is copied, by a name that none has. Deletes what was cut short before; only while alone. */
export function beginPartial(folder: string, at: Date): string {
  return refusing(folder, () => {
    deletePartials(folder)
    const partial = path.join(folder, freeName(folder, at) + PARTIAL)
    mkdirSync(partial, { mode: 0o700 })
    return partial
  })
}

/** Only while alone. */
export function deletePartials(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith(PARTIAL) && NAME.test(name.slice(0, -PARTIAL.length)))
      rmSync(path.join(folder, name), { recursive: true, force: true })
  }
}

function freeName(folder: string, at: Date): string {
  const name = nameOf(at)
  return existsSync(path.join(folder, name)) ? freeName(folder, new Date(at.getTime() + 1000)) : name
}

/** The name of a backup that was made then. Windows allows no colon in it. */
export function nameOf(at: Date): string {
  return `library-${at.toISOString().slice(0, 19).replaceAll(':', '-')}Z`
}

/** The names of the backups in a folder, the newest first. */
export function listBackups(folder: string): string[] {
  return backupsAmong(refusing(folder, () => readdirSync(folder)))
}

/** Those of these names that a backup has, the newest first. */
export function backupsAmong(names: readonly string[]): string[] {
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .reverse()
}

/** The moment that a name tells. */
export function momentOf(name: string): Date {
  const [day = '', time = ''] = name.slice('library-'.length).split('T')
  return new Date(`${day}T${time.replaceAll('-', ':')}`)
}

/** Whether that may have been: what a clock that was ahead has written tells nothing until its time comes. */
export function isCredible(at: Date, now = new Date()): boolean {
  return Number(at) <= Date.parse(latestCredible(now.toISOString()))
}

/** What may be the backup that is meant: the folder itself, or those in it, the newest first. Throws `DatabaseRefused` when there is none. */
export function candidatesIn(folder: string): string[] {
  if (!existsSync(folder)) throw new DatabaseRefused(`There is no ${folder}.`)
  if (!statSync(folder).isDirectory())
    throw new DatabaseRefused(`${folder} is no folder: name that of a backup, or one with backups in it.`)
  if (folder.endsWith(PARTIAL))
    throw new DatabaseRefused(`${folder} was cut short while it was made: take another backup.`)
  if (existsSync(path.join(folder, MANIFEST)) || NAME.test(path.basename(folder))) return [folder]
  const names = listBackups(folder)
  if (names.length === 0)
    throw new DatabaseRefused(`${folder} has no backups: name a folder that \`npx library backup\` has made.`)
  return names.map((name) => path.join(folder, name))
}

/** Throws `DatabaseRefused` where nobody can tell which of several is the newest. */
export function refuseUnclear([first = '', ...others]: readonly string[]): void {
  if (others.length === 0 || isCredible(momentOf(path.basename(first)))) return
  throw new DatabaseRefused(
    `${first} is of a time that is still to come, because a clock was wrong then or is now: name the backup that you want.`
  )
}

/** What the system says of the folder, in a sentence. */
export function refusing<T>(folder: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asFolderRefusal(error, folder)
  }
}

const ADVICE: Record<string, string> = {
  ENOSPC: 'The disk is full: make room.',
  EDQUOT: 'The disk is full for this user: make room.',
  EFBIG: 'No file may be as large there: see to the limits of this user.',
  EROFS: 'The disk can only be read.'
}

/** The same error in a sentence, if it is of the system and about a file. */
export function asFolderRefusal(error: unknown, folder: string): unknown {
  const { syscall, code = '', message } = error as NodeJS.ErrnoException
  if (error instanceof DatabaseRefused || syscall === undefined) return error
  const advice = ADVICE[code] ?? 'See that this user may read and write there.'
  return new DatabaseRefused(`Backups cannot be kept in ${folder} (${message}). ${advice}`, { cause: error })
}
