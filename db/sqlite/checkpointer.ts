import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Connection } from './connection.ts'

/** So many writes within a second are worth a thread. */
const BUSY_WRITES = 500
const WINDOW_MS = 1000
const SHORTEST_PAUSE_MS = 100
/** A log of so many pages is begun anew, for which writers must wait a moment: under steady writes it would grow for ever. */
const LONG_LOG = 4000
const PAUSE_AFTER_END_MS = 60_000
/** Rows that are changed before the log is copied while few write: some thousand pages of it. */
const CHANGES_A_COPY = 5000

/**
 * Copies the log of writes into the database (a checkpoint, https://sqlite.org/wal.html#ckpt) from a thread of its own while many
 * write, for it syncs two files, which would hold up everybody for some 25 ms again and again. Few writes are not worth a thread:
 * the writer copies it between two batches. SQLite itself would do so amid a commit; but there the state before it is held, so that
 * it could never begin the log anew.
 */
export class Checkpointer {
  readonly #file: string
  readonly #writer: Connection
  readonly #changes: () => number
  #copiedChanges = 0
  #worker: Worker | undefined
  #writes = 0
  #windowEnd = 0
  #nextAt = 0
  #isWorking = false
  #isRestarting = false
  readonly #whenRestarted: () => void

  /** Calls `whenRestarted` each time that writes may begin again. */
  constructor(file: string, writer: Connection, whenRestarted: () => void) {
    this.#file = file
    this.#writer = writer
    this.#changes = writer.valueOf<number>('select total_changes()')
    this.#whenRestarted = whenRestarted
  }

  /** Whether the log is about to be begun anew, for which nobody may write. */
  get isRestarting(): boolean {
    return this.#isRestarting
  }

  /** To be told of each commit with so many writes. */
  noteCommit(writes: number): void {
    const now = performance.now()
    if (now >= this.#windowEnd) {
      this.#writes = 0
      this.#windowEnd = now + WINDOW_MS
    }
    this.#writes += writes
    if (this.#writes < BUSY_WRITES) return
    if (now >= this.#nextAt && !this.#isWorking) this.#wake(now)
    if (this.#worker !== undefined) this.#copiedChanges = this.#changes()
  }

  /** To be called when a batch is over and the next has not begun. */
  copyIfDue(): void {
    const changes = this.#changes()
    if (changes - this.#copiedChanges < CHANGES_A_COPY) return
    this.#copiedChanges = changes
    try {
      this.#writer.pragma('wal_checkpoint(passive)')
    } catch {
      // As on a full disk: what is in the log is safe there until another time.
    }
  }

  /** Resolves when the thread has closed its connection. */
  async end(): Promise<void> {
    if (this.#worker === undefined) return
    const worker = this.#worker
    worker.ref()
    worker.postMessage('end')
    await new Promise((resolve) => worker.once('exit', resolve))
  }

  #wake(now: number): void {
    this.#nextAt = now + SHORTEST_PAUSE_MS
    this.#isWorking = true
    this.#worker ??= this.#start()
    this.#worker.postMessage('passive')
  }

  #start(): Worker {
    const worker = new Worker(path.join(import.meta.dirname, 'checkpoint-thread.ts'), {
      workerData: this.#file
    })
    worker.unref()
    worker.on('message', (pages: number) => {
      if (pages > LONG_LOG && !this.#isRestarting) {
        this.#isRestarting = true
        worker.postMessage('restart')
      } else this.#rest()
    })
    // Another is started when it is needed.
    worker.once('exit', () => {
      this.#worker = undefined
      this.#rest()
      // Or else one that cannot work would be started again and again.
      this.#nextAt = performance.now() + PAUSE_AFTER_END_MS
    })
    worker.once('error', () => {})
    return worker
  }

  #rest(): void {
    this.#isWorking = false
    if (!this.#isRestarting) return
    this.#isRestarting = false
    this.#whenRestarted()
  }
}
