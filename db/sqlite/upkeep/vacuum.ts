/** Brings a file to the size that its rows need, and leaves behind what was deleted: the rows are copied to a new file, which takes its place. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync
} from 'node:fs'
import { dirname } from 'node:path'
import Sqlite from 'better-sqlite3'
import { releaseLock } from '../../file-lock.ts'
import type { TellVacuum, Vacuumed } from '../../upkeep.ts'
import { finishRestore } from '../backups/finish-restore.ts'
import { DatabaseRefused, damaged } from '../errors.ts'
import { holding, lockOf, refusing } from '../moving/side.ts'
import { openDatabase, prepareFile, refuseForeignFile } from '../open.ts'
import { likeFile, replaceFile } from '../rebuild/replacing.ts'
import { patiently } from '../writing/patience.ts'

const MEGABYTE = 1_000_000
const IS_WORD_INDEX = "select 1 from sqlite_schema where name = 'author_words' and sql like '%fts5%'"

/** Nobody else may have the file meanwhile. Throws `DatabaseRefused`. */
export function vacuumFile(path: string, tell: TellVacuum): Vacuumed {
  return refusing(path, () => {
    finishRestore(path)
    if (!existsSync(path)) throw new DatabaseRefused(`There is no ${path}.`)
    const file = realpathSync(path)
    refuseForeignFile(file)
    return holding(file, () => {
      const vacuumed = vacuumAlone(file, tell)
      releaseLock(lockOf(file))
      return vacuumed
    })
  })
}

function vacuumAlone(file: string, tell: TellVacuum): Vacuumed {
  refuseUsed(file)
  const before = sizeOf(file)
  const database = openDatabase(file, { isAlone: true })
  try {
    const room = roomFor(database, file)
    refuseWithoutRoom(file, room)
    tell(`needs up to ${inMegabytes(room.needed)} beside the file, where ${inMegabytes(room.free)} are free`)
    tell('words')
    forgetWords(database)
    tell('rows')
    copyAndReplace(database, file)
  } finally {
    database.close()
  }
  return { before, after: sizeOf(file), notes: [] }
}

/** Throws what SQLite says when somebody else has it open, also only to read. */
function refuseUsed(file: string): void {
  const database = new Sqlite(file, { fileMustExist: true, timeout: 0 })
  try {
    database.pragma('locking_mode = exclusive')
    patiently(() => database.exec('begin exclusive; commit'))
  } finally {
    database.close()
  }
}

/** The log counts too. */
function sizeOf(file: string): number {
  const log = `${file}-wal`
  return statSync(file).size + (existsSync(log) ? statSync(log).size : 0)
}

interface Room {
  needed: number
  free: number
}

/** The words are written once more, then all rows. */
function roomFor(database: Sqlite.Database, file: string): Room {
  const pragmaOf = (name: string) => database.pragma(name, { simple: true }) as number
  const { bavail, bsize } = statfsSync(dirname(file))
  return { needed: pragmaOf('page_count') * pragmaOf('page_size'), free: bavail * bsize }
}

/** Throws `DatabaseRefused`. */
export function refuseWithoutRoom(file: string, { needed, free }: Room): void {
  if (needed <= free) return
  throw new DatabaseRefused(
    `A copy of ${file} may need ${inMegabytes(needed)}, and the disk has ${inMegabytes(free)} left: make room, then try again. Nothing was changed.`
  )
}

function inMegabytes(bytes: number): string {
  return `${Math.ceil(bytes / MEGABYTE)} MB`
}

/** The word index has words of those who were deleted until it is written once more. */
function forgetWords(database: Sqlite.Database): void {
  if (database.prepare(IS_WORD_INDEX).get() === undefined) return
  database.exec("insert into author_words (author_words) values ('optimize')")
}

/** The old file is locked until it has lost its name, and has no log by then, whose name would be that of the new one's. */
function copyAndReplace(database: Sqlite.Database, file: string): void {
  const copy = `${file}-vacuum`
  patiently(() => database.pragma('journal_mode = delete'))
  database.exec('begin exclusive; commit')
  // What a kill has left.
  rmSync(copy, { force: true })
  try {
    // For its owner alone, before it has rows.
    prepareFile(copy)
    likeFile(copy, file)
    database.prepare('vacuum into ?').run(copy)
    refuseDamaged(copy, file)
    sync(copy)
    replaceFile(file, copy)
  } catch (error) {
    rmSync(copy, { force: true })
    throw error
  }
}

function refuseDamaged(copy: string, file: string): void {
  const database = new Sqlite(copy, { readonly: true })
  const result = database.pragma('quick_check(1)', { simple: true })
  database.close()
  if (result !== 'ok') throw new DatabaseRefused(damaged(file, String(result)))
}

function sync(file: string): void {
  const descriptor = openSync(file, 'r+')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
