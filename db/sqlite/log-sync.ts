import { closeSync, fdatasync, openSync } from 'node:fs'

/**
 * Puts SQLite's log of writes on the disk, as SQLite itself does at the end of each commit under `synchronous=FULL`, but without
 * blocking the event loop meanwhile. What it may not wait for, it has synced itself under `NORMAL`: the head of a new log
 * before its first write, and the log before it is copied into the database (https://sqlite.org/pragma.html#pragma_synchronous).
 */
export class LogSync {
  readonly #file: string
  #handle: number | undefined

  /** The log of the database at that path, which there is after the first commit. */
  constructor(database: string) {
    this.#file = `${database}-wal`
  }

  /** Resolves when all that has been committed up to now is on the disk; when it rejects, nobody knows what is. */
  async sync(): Promise<undefined> {
    // Windows syncs only what may be written to.
    this.#handle ??= openSync(this.#file, 'r+')
    const handle = this.#handle
    return new Promise((resolve, reject) => {
      fdatasync(handle, (error) => (error === null ? resolve(undefined) : reject(error)))
    })
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle)
  }
}
