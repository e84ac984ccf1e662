import { statSync } from 'node:fs'
import {
  type CompiledQuery,
  createQueryId,
  type DatabaseConnection,
  type Driver,
  IdentifierNode,
  type QueryCompiler,
  type QueryResult,
  RawNode
} from 'kysely'
import { Checkpointer } from './checkpointer.ts'
import { Connection } from './connection.ts'
import { DatabaseGone } from './errors.ts'
import { GroupCommit } from './group-commit.ts'
import { LogSync } from './log-sync.ts'
import { openDatabase, openReader, type Usage } from './open.ts'
import { Snapshot } from './snapshot.ts'

const CHECKPOINT_PATIENCE_MS = 2000

/**
 * Kysely's driver over two connections to one file: reads have their own, so that they never wait for a write nor see
 * one that is not committed; writes share the other by group commit. Who waits for another process waits without blocking
 * the event loop, for SQLite's own busy timeout would stop every other request with it.
 */
export class LibraryDriver implements Driver {
  readonly #path: string
  readonly #usage: Usage
  #engine: Engine | undefined

  constructor(path: string, usage: Usage) {
    this.#path = path
    this.#usage = usage
  }

  async init(): Promise<void> {
    this.#engine = new Engine(this.#path, this.#usage)
  }

  async acquireConnection(): Promise<LibraryConnection> {
    return new LibraryConnection(this.#engine as Engine)
  }

  /** All transactions are serializable, and all may write. */
  beginTransaction(connection: LibraryConnection): Promise<void> {
    return connection.begin()
  }

  commitTransaction(connection: LibraryConnection): Promise<void> {
    return connection.commit()
  }

  rollbackTransaction(connection: LibraryConnection): Promise<void> {
    return connection.rollback()
  }

  async savepoint(connection: LibraryConnection, name: string, compile: Compile): Promise<void> {
    await connection.beginSavepoint(savepointCommand('savepoint', name, compile))
  }

  async rollbackToSavepoint(connection: LibraryConnection, name: string, compile: Compile): Promise<void> {
    await connection.executeQuery(savepointCommand('rollback to', name, compile))
  }

  async releaseSavepoint(connection: LibraryConnection, name: string, compile: Compile): Promise<void> {
    await connection.executeQuery(savepointCommand('release', name, compile))
  }

  async releaseConnection(): Promise<void> {}

  dataVersion(): number {
    return (this.#engine as Engine).snapshot.dataVersion()
  }

  async destroy(): Promise<void> {
    await this.#engine?.close()
  }
}

type Compile = QueryCompiler['compileQuery']

function savepointCommand(command: string, name: string, compile: Compile): CompiledQuery {
  const node = RawNode.createWithChildren([RawNode.createWithSql(`${command} `), IdentifierNode.create(name)])
  return compile(node, createQueryId())
}

/** What a query runs on: outside of a transaction a read goes to the reader, anything else waits for its turn to write. */
class LibraryConnection implements DatabaseConnection {
  readonly #engine: Engine
  #hasTurn = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { reader, writes } = this.#engine
    if (this.#hasTurn) return writes.run(query)
    if (reader.isRead(query.sql)) return reader.run(query)
    return writes.write(query)
  }

  /** All rows at once, for better-sqlite3 lets nothing else run on a connection through which it iterates. */
  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }

  async begin(): Promise<void> {
    await this.#engine.writes.begin()
    this.#hasTurn = true
  }

  /** In a savepoint of the transaction, at whose end it ends too, so that no other transaction of the batch comes upon it. */
  async beginSavepoint(command: CompiledQuery): Promise<void> {
    this.#engine.writes.ensureSavepoint()
    await this.executeQuery(command)
  }

  async commit(): Promise<void> {
    const isOnDisk = this.#engine.writes.commit()
    this.#hasTurn = false
    await isOnDisk
  }

  /** Kysely asks for it after a failed commit too, when the turn is another's already. */
  async rollback(): Promise<void> {
    if (!this.#hasTurn) return
    this.#hasTurn = false
    await this.#engine.writes.rollback()
  }
}

class Engine {
  readonly reader: Connection
  readonly writes: GroupCommit
  readonly snapshot: Snapshot
  readonly #writer: Connection
  readonly #path: string
  readonly #isForImport: boolean
  readonly #inode: number
  readonly #log: LogSync | undefined
  #checkpointer: Checkpointer | undefined

  constructor(path: string, usage: Usage) {
    const { isShared = false, isForImport = false } = usage
    this.#path = path
    this.#isForImport = isForImport
    this.#writer = new Connection(openDatabase(path, usage))
    this.reader = new Connection(openReader(path))
    this.snapshot = new Snapshot(this.reader)
    this.writes = new GroupCommit(this.#writer, {
      isShared,
      mayBegin: () => !this.#checkpointer?.isRestarting,
      beforeBatch: () => this.#refuseMissingFile(),
      beforeCommit: () => this.snapshot.hold(),
      afterCommit: (writes) => this.#checkpointer?.noteCommit(writes),
      sync: async () => this.#log?.sync(),
      beforeTelling: () => {
        this.snapshot.release()
        this.#copyLogIfDue()
      }
    })
    // An import has a thread of its own already.
    if (!isForImport) this.#checkpointer = new Checkpointer(path, this.#writer, () => this.writes.goOn())
    this.#inode = statSync(path).ino
    this.#writer.pragma('busy_timeout = 0')
    if (!isShared && !isForImport) this.#log = this.#syncLog()
  }

  /** Not where others read the file too, for they would see what is not on the disk yet: there SQLite itself syncs, amid each commit. */
  #syncLog(): LogSync {
    this.#writer.pragma('synchronous = normal')
    return new LogSync(this.#path)
  }

  /** Amid a batch, as one that has begun while the last was synced, it has to wait for the next. */
  #copyLogIfDue(): void {
    if (!this.#writer.inTransaction) this.#checkpointer?.copyIfDue()
  }

  #refuseMissingFile(): void {
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode) {
      throw new DatabaseGone(
        `${this.#path} was moved or deleted while it was in use; start the service anew.`
      )
    }
  }

  async close(): Promise<void> {
    await this.writes.close()
    await this.#checkpointer?.end()
    this.snapshot.release()
    this.#log?.close()
    this.reader.close()
    if (this.#isForImport) this.#emptyLog()
    this.#writer.close()
  }

  /** Here, for else the first write of another connection would do it: half a second after an import of a million authors. */
  #emptyLog(): void {
    this.#writer.pragma(`busy_timeout = ${CHECKPOINT_PATIENCE_MS}`)
    this.#writer.pragma('wal_checkpoint(truncate)')
  }
}
