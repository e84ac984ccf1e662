/** Has SQLite fail where the file FAULT_AT says: a place and a code. */
import { readFileSync } from 'node:fs'
import Sqlite from 'better-sqlite3'

const PLACES: Record<string, RegExp> = {
  begin: /^begin immediate/,
  statement: /^insert into words/,
  commit: /^commit/,
  checkpoint: /^wal_checkpoint/,
  read: /^select word/
}

function failIfSick(source: string): void {
  if (process.env.FAULT_AT === undefined) return
  const [place = '', code = ''] = readFileSync(process.env.FAULT_AT, 'utf8').split(' ')
  if (PLACES[place]?.test(source)) throw new Sqlite.SqliteError(`injected at ${place}`, code)
}

const { prepare, pragma } = Sqlite.prototype
Sqlite.prototype.prepare = function (this: Sqlite.Database, source: string) {
  const statement = prepare.call(this, source) as Sqlite.Statement
  for (const method of ['run', 'all'] as const) {
    const original = statement[method].bind(statement)
    Object.defineProperty(statement, method, {
      value: (...parameters: unknown[]) => {
        failIfSick(source)
        return original(...parameters)
      }
    })
  }
  return statement
} as typeof prepare
Sqlite.prototype.pragma = function (this: Sqlite.Database, source: string, options) {
  failIfSick(source)
  return pragma.call(this, source, options)
} as typeof pragma
