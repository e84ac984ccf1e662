/** Brings a database with rows to another schema: they are copied to a new file, which then takes the place of the old one. */
import { existsSync, realpathSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import type { Check, Rebuild } from '../../rebuild-plan.ts'
import { asRefusal, DatabaseRefused, isBusy, isDamage } from '../errors.ts'
import { identityOf } from '../identity.ts'
import { patiently } from '../writing/patience.ts'
import { copyRows, type RebuildOptions } from './copy.ts'
import { NewFile } from './new-file.ts'
import { checkSpace, replaceFile } from './replacing.ts'

export type { RebuildOptions }

const PATIENCE_MS = 2000
const LEFTOVERS = ['-wal', '-journal']
const ADVICE =
  'Its rows must be brought to another layout, and it must have no other user meanwhile: ' +
  'end what uses it (the service with all its workers, scripts, sqlite3), then try again.'

/**
 * The old file keeps all that it has until the new one is complete, so that after a kill or a power cut this goes on where it was, or an
 * older version goes on with the old file. Throws `DatabaseRefused`.
 */
export function rebuild(path: string, due: Rebuild, options: RebuildOptions = {}): void {
  const file = realpathSync(path)
  const database = new Sqlite(':memory:', { timeout: PATIENCE_MS })
  try {
    attachAlone(database, file)
    for (const [name, work] of Object.entries(due.plan.functions)) {
      database.function(name, { deterministic: true }, work as (...values: unknown[]) => string)
    }
    const target = new NewFile(database, file, due)
    copyTo(target, database, { file, due, options })
    replaceFile(file, target.path)
  } catch (error) {
    throw asRefusal(error, file)
  } finally {
    database.close()
  }
}

interface Copy {
  file: string
  due: Rebuild
  options: RebuildOptions
}

function copyTo(target: NewFile, database: Sqlite.Database, { file, due, options }: Copy): void {
  const { plan } = due
  try {
    if (!target.resume()) {
      refuse(database, file, plan.needs)
      checkSpace(database, { file, target: target.path, growth: plan.growth })
      target.begin()
    }
    copyRows(database, target, due, options)
    target.complete(() => check(database, file, plan.checks))
  } catch (error) {
    if (!isDamage(error)) throw error
    target.delete()
    throw new DatabaseRefused(
      `${file} could not be copied (${(error as Error).message}): try again. Should that fail too, it is damaged: ` +
        'restore it from a backup.'
    )
  }
}

/**
 * Attaches the file without a log beside it, and locked against everybody until it has lost its name. Who has opened it before that can
 * still not write to it afterwards: SQLite looks whether the file has moved.
 */
function attachAlone(database: Sqlite.Database, file: string): void {
  const identity = identityOf(file)
  database.prepare('attach ? as old').run(file)
  try {
    // Two that begin at once each keep the other from it for a moment, and SQLite itself does not wait here.
    patiently(() => database.pragma('old.journal_mode = delete'))
    database.pragma('old.locking_mode = exclusive')
    database.exec('begin exclusive; commit')
  } catch (error) {
    throw isBusy(error) ? inUse(file) : error
  }
  // Another process may have come before the lock, or may have put a new file in the place of this one.
  if (LEFTOVERS.some((suffix) => existsSync(file + suffix)) || identityOf(file) !== identity)
    throw inUse(file)
}

function inUse(file: string): DatabaseRefused {
  return new DatabaseRefused(`${file} is in use. ${ADVICE}`)
}

function refuse(database: Sqlite.Database, file: string, checks: Check[]): void {
  const found = checks.find(([, query]) => database.prepare(query).get() !== undefined)
  if (found === undefined) return
  throw new DatabaseRefused(`${file} cannot be brought to another layout and was left as it is: ${found[0]}.`)
}

function check(database: Sqlite.Database, file: string, checks: Check[]): void {
  refuse(database, file, checks)
  const orphans = database.pragma('new.foreign_key_check')
  const result = database.pragma('new.quick_check(1)', { simple: true })
  if (result === 'ok' && (orphans as unknown[]).length === 0) return
  const reason = result === 'ok' ? 'a row refers to one that is not there' : result
  throw new DatabaseRefused(`The copy of ${file} is not sound (${reason}). It was left as it is: try again.`)
}
