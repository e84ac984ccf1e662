import { once } from 'node:events'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import pLimit from 'p-limit'
import { DatabaseBusy } from '../../db/dialect.ts'
import type { ImportSummary } from './import-job.ts'
import type { ThreadInput, ThreadMessage } from './import-thread.ts'

const THREAD = path.join(import.meta.dirname, 'import-thread.ts')
const IDLE_MS = 60_000

interface Running extends PromiseWithResolvers<ImportSummary> {
  onRows(rows: number): void
}

/**
 * Runs imports, one after the other, in a thread that is kept until none has come for a minute: to start one takes longer than a small
 * import, and threads that come and go all the time have met a fault of V8's that ends or hangs the whole process (it frees
 * WebAssembly code that another thread still has, which Node's loader of modules uses).
 */
export class Importer {
  readonly #turns = pLimit(1)
  #thread: Worker | undefined
  #running: Running | undefined
  #idle: NodeJS.Timeout | undefined

  /** What became of the rows. Throws what the import throws, or `DatabaseBusy`. `onRows` learns how many rows have been looked at. */
  run(input: ThreadInput, onRows: (rows: number) => void): Promise<ImportSummary> {
    return this.#turns(() => this.#runNow(input, onRows))
  }

  /** Ends the thread, with what it is at. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const thread = this.#thread
    if (this.#running !== undefined) await thread?.terminate()
    else if (thread !== undefined) {
      thread.postMessage('end')
      await once(thread, 'exit')
    }
  }

  async #runNow(input: ThreadInput, onRows: (rows: number) => void): Promise<ImportSummary> {
    clearTimeout(this.#idle)
    this.#thread ??= this.#start()
    const running = { ...Promise.withResolvers<ImportSummary>(), onRows }
    this.#running = running
    this.#thread.postMessage(input)
    try {
      return await running.promise
    } finally {
      this.#running = undefined
      this.#idle = setTimeout(() => this.close(), IDLE_MS).unref()
    }
  }

  #start(): Worker {
    return new Worker(THREAD)
      .on('message', (message: ThreadMessage) => this.#hear(message))
      .once('error', (error) => this.#running?.reject(error))
      .once('exit', (code) => {
        this.#thread = undefined
        this.#running?.reject(new Error(`an import ended with exit code ${code}`))
      })
  }

  #hear(message: ThreadMessage): void {
    if ('rows' in message) this.#running?.onRows(message.rows)
    else if ('summary' in message) this.#running?.resolve(message.summary)
    else if ('unavailable' in message) this.#running?.reject(new DatabaseBusy(message.unavailable))
    else this.#running?.reject(message.failure)
  }
}
