import path from 'node:path'
import { Worker } from 'node:worker_threads'
import pLimit from 'p-limit'
import { type Command, commandNamed } from '../../db/command.ts'
import '../../db/commands/imports.ts'
import { DatabaseUnavailable } from '../../db/dialect.ts'
import type { ImportSummary } from './import-job.ts'
import type { FromThread, ThreadInput, ToThread } from './import-thread.ts'

const THREAD = path.join(import.meta.dirname, `import-thread${path.extname(import.meta.filename)}`)
const IDLE_MS = 60_000

/** What an import asks of the service meanwhile. */
export interface ImportWatcher {
  /** Runs a command for the user who imports. */
  runCommand(command: Command<object, unknown>, input: object): Promise<unknown>
  /** Learns how many rows have been looked at. */
  onRows(rows: number): void
}

interface Running extends PromiseWithResolvers<ImportSummary> {
  watcher: ImportWatcher
  /** Settled when the last command is done. */
  command: Promise<void>
  /** Why a command failed, which only the service knows whole. */
  commandError?: unknown
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

  get counts(): Record<'running' | 'waiting', number> {
    return { running: this.#turns.activeCount, waiting: this.#turns.pendingCount }
  }

  /**
   * What became of the rows; when it settles, nothing uses the import's files any more. Throws what the import and its commands throw,
   * or `DatabaseUnavailable`.
   */
  run(input: ThreadInput, watcher: ImportWatcher): Promise<ImportSummary> {
    return this.#turns(() => this.#runNow(input, watcher))
  }

  /** Ends the thread, with what it is at. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const thread = this.#thread
    if (thread === undefined) return
    // Not the `once` of events, which an error would reject.
    const ended = new Promise((resolve) => thread.once('exit', resolve))
    if (this.#running !== undefined) thread.terminate()
    else {
      // An import that comes from now on gets another.
      this.#thread = undefined
      thread.postMessage('end' satisfies ToThread)
    }
    await ended
  }

  async #runNow(input: ThreadInput, watcher: ImportWatcher): Promise<ImportSummary> {
    clearTimeout(this.#idle)
    this.#thread ??= this.#start()
    const running: Running = {
      ...Promise.withResolvers<ImportSummary>(),
      watcher,
      command: Promise.resolve()
    }
    this.#running = running
    this.#thread.postMessage(input satisfies ToThread)
    try {
      return await running.promise
    } finally {
      await running.command
      this.#running = undefined
      this.#idle = setTimeout(() => this.close(), IDLE_MS).unref()
    }
  }

  #start(): Worker {
    const thread = new Worker(THREAD)
    return thread
      .on('message', (message: FromThread) => this.#hear(message))
      .once('error', (error) => this.#lose(thread, error))
      .once('exit', (code) => this.#lose(thread, new Error(`an import ended with exit code ${code}`)))
  }

  #lose(thread: Worker, error: Error): void {
    if (thread !== this.#thread) return
    this.#thread = undefined
    this.#running?.reject(error)
  }

  #hear(message: FromThread): void {
    const running = this.#running
    if (running === undefined) return
    if ('rows' in message) running.watcher.onRows(message.rows)
    else if ('command' in message) running.command = this.#runCommand(running, message)
    else if ('summary' in message) running.resolve(message.summary)
    else if ('unavailable' in message) running.reject(new DatabaseUnavailable(message.unavailable))
    else running.reject(running.commandError ?? message.failure)
  }

  async #runCommand(running: Running, { command, input }: { command: string; input: object }): Promise<void> {
    try {
      const output = await running.watcher.runCommand(commandNamed(command), input)
      this.#thread?.postMessage({ output } satisfies ToThread)
    } catch (error) {
      running.commandError = error
      this.#thread?.postMessage('failed' satisfies ToThread)
    }
  }
}
