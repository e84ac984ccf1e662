import { existsSync, realpathSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { Kysely } from 'kysely'
import { releaseLock } from '../../file-lock.ts'
import type { MoveSource } from '../../moving/side.ts'
import type { Db, Tables } from '../../tables.ts'
import { finishRestore } from '../backups/finish-restore.ts'
import type { Connection } from '../connection.ts'
import { ConnectionDialect } from '../dialect.ts'
import { DatabaseRefused } from '../errors.ts'
import { refuseForeignFile } from '../open.ts'
import { patiently } from '../writing/patience.ts'
import { FileSide, holding, lockOf, refusing, SideConnection } from './side.ts'

const PATIENCE_MS = 2000

/** Throws `DatabaseRefused`. Nothing of the file is changed, and until it is closed nobody can write to it. */
export async function openSource(path: string): Promise<MoveSource> {
  return refusing(path, () => {
    finishRestore(path)
    if (!existsSync(path)) throw new DatabaseRefused(`There is no ${path}.`)
    const file = realpathSync(path)
    refuseForeignFile(file)
    return holding(file, () => new FileSource(file))
  })
}

/**
 * What a crash has left beside the file is read with a connection that cannot write, so that it stays there; another one keeps
 * everybody from writing, and must be closed first: the last one that could write would copy the log.
 */
class FileSource extends FileSide implements MoveSource {
  readonly db: Db
  protected readonly connection: Connection
  readonly #keeper: Sqlite.Database | undefined

  constructor(file: string) {
    super(file)
    const hasLog = existsSync(`${file}-wal`)
    const database = new Sqlite(file, { readonly: hasLog, fileMustExist: true, timeout: PATIENCE_MS })
    this.connection = new SideConnection(database, file)
    this.#keeper = hasLog ? new Sqlite(file, { fileMustExist: true, timeout: PATIENCE_MS }) : undefined
    this.db = new Kysely<Tables>({ dialect: new ConnectionDialect(() => this.connection) })
    try {
      patiently(() => (this.#keeper ?? database).exec('begin immediate'))
      if (this.#keeper !== undefined) database.exec('begin')
      // That it could write was needed for the lock alone.
      database.pragma('query_only = 1')
    } catch (error) {
      this.#close()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#close()
  }

  #close(): void {
    this.#keeper?.close()
    this.connection.close()
    releaseLock(lockOf(this.place))
  }
}
