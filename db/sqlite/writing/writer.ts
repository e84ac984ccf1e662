import type { Worker } from 'node:worker_threads'
import { type Call, commandNamed } from '../../command.ts'
import { postAll } from '../../messages.ts'
import { DatabaseRefused, DatabaseUnavailable } from '../errors.ts'
import { type Outcome, outputOf, toFailure } from './outcome.ts'
import type { FromThread, SqliteEvent, ThreadData, ToThread } from './protocol.ts'
import { threads } from './threads.ts'

/** Calls that wait, are run, or have answers that were not passed on yet. */
const MOST_PENDING = 10_000
/** Answers that are passed on in one tick: each makes a request's answer, and mostly lets the next request come. */
const ANSWERS_A_TICK = 4
const RESTART_AFTER_MS = 1000
const LOOK_EVERY_MS = 1000

export interface WriterOptions {
  thread: ThreadData
  signal: (event: SqliteEvent) => void
  /** Called when something may have been committed, before anybody learns of it. */
  whenWritten: () => void
}

type Pending = PromiseWithResolvers<unknown> & { longestMs: number }

/**
 * The event loop's side of the one thread that writes. The calls of one tick go there in one message. No call is left without an
 * answer: when the thread ends or takes too long, nobody knows what became of those that wait, and another thread begins (invariants 6
 * and 7 of docs/architecture.md).
 */
export class Writer {
  static longestCloseMs = 10_000
  readonly #options: WriterOptions
  readonly pending = new Map<number, Pending>()
  readonly #unsent: [number, Call][] = []
  #answers: [number, Outcome][] = []
  #lastId = 0
  #thread: Worker | undefined
  #ended = Promise.withResolvers<void>()
  #silentLooks = 0
  readonly #watch = setInterval(() => this.#endRunaway(), LOOK_EVERY_MS).unref()
  #restart: NodeJS.Timeout | undefined
  #state: 'opening' | 'open' | 'closed' = 'opening'
  #identity: string | undefined
  /** Why nothing may be written until the process starts again. */
  #breakdown: string | undefined

  constructor(options: WriterOptions) {
    this.#options = options
  }

  /** Resolves when the thread has opened and migrated the database. Throws `DatabaseRefused`. */
  async open(): Promise<void> {
    try {
      await this.#begin(this.#options.thread)
      this.#state = 'open'
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** The output of a call, once it is on the disk. Throws the command's `Problem`, or `DatabaseUnavailable`. */
  async run(call: Call): Promise<unknown> {
    const { longestMs } = commandNamed(call.command)
    if (this.#state !== 'open') throw new DatabaseUnavailable('the database is not open')
    if (this.#breakdown !== undefined) throw new DatabaseUnavailable(this.#breakdown)
    if (this.#thread === undefined) throw new DatabaseUnavailable('the writer thread ended')
    if (this.pending.size >= MOST_PENDING) throw new DatabaseUnavailable('too many writes wait')
    this.#lastId += 1
    if (this.pending.size === 0) this.#silentLooks = 0
    const pending = { ...Promise.withResolvers<unknown>(), longestMs }
    this.pending.set(this.#lastId, pending)
    if (this.#unsent.length === 0) setImmediate(() => this.#send())
    this.#unsent.push([this.#lastId, call])
    return pending.promise
  }

  /** Resolves when all that was called is done and the thread has closed its connection. */
  async close(): Promise<void> {
    this.#state = 'closed'
    clearTimeout(this.#restart)
    const thread = this.#thread
    if (thread !== undefined) {
      this.#send()
      this.#silentLooks = 0
      thread.postMessage('end' satisfies ToThread)
      await this.#ended.promise
    }
    clearInterval(this.#watch)
  }

  /** Rejects when the thread ends before it is ready. */
  #begin(data: ThreadData): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const thread = threads.take(data.commandFolders)
    this.#thread = thread
    this.#ended = Promise.withResolvers<void>()
    let restartAfterMs = RESTART_AFTER_MS
    let error: Error = new DatabaseUnavailable('the writer thread exited')
    thread.on('message', (message: FromThread) => {
      if (message === 'ended') {
        this.#lose(thread, 'it was closed')
        for (const event of ['message', 'error', 'exit']) thread.removeAllListeners(event)
        threads.giveBack(thread, data.commandFolders)
      } else if ('ready' in message) {
        restartAfterMs = 0
        this.#identity = message.ready
        resolve()
      } else if ('refused' in message) error = new DatabaseRefused(message.refused)
      else if ('broken' in message) error = Object.assign(new Error(), message.broken)
      else if ('answers' in message) this.#hearAnswers(message)
      else {
        if (message.event === 'sync_failed') this.#breakdown = message.reason
        this.#options.signal(message)
      }
    })
    thread.once('error', (thrown: unknown) => {
      error = thrown instanceof Error ? thrown : new Error(String(thrown))
    })
    thread.once('exit', () => {
      this.#lose(thread, error.message)
      reject(error)
      if (this.#state === 'open') this.#beginLater(restartAfterMs)
    })
    thread.postMessage({ open: data } satisfies ToThread)
    return promise
  }

  #send(): void {
    const calls = this.#unsent.splice(0)
    const post = (some: [number, Call][]) => this.#thread?.postMessage({ calls: some } satisfies ToThread)
    postAll(calls, post, ([id], error) => this.#settle(id, toFailure(error)))
  }

  #hearAnswers({ answers, batch }: Extract<FromThread, { batch: object }>): void {
    this.#silentLooks = 0
    this.#options.whenWritten()
    this.#options.signal({ event: 'batch', ...batch })
    // Or they are being passed on already.
    if (this.#answers.push(...answers) === answers.length) this.#passOn()
  }

  /** A few at a time: answers to all in one tick would hold up everybody who only reads. */
  #passOn(): void {
    for (const [id, outcome] of this.#answers.splice(0, ANSWERS_A_TICK)) this.#settle(id, outcome)
    if (this.#answers.length > 0) setImmediate(() => this.#passOn())
  }

  #settle(id: number, outcome: Outcome): void {
    const pending = this.pending.get(id)
    this.pending.delete(id)
    try {
      pending?.resolve(outputOf(outcome))
    } catch (error) {
      pending?.reject(error)
    }
  }

  /** A command that runs away would keep all others waiting for ever. Looks are counted, for the event loop may stand still itself. */
  #endRunaway(): void {
    const thread = this.#thread
    const limits = [...this.pending.values().map(({ longestMs }) => longestMs)]
    if (this.#state === 'closed') limits.push(Writer.longestCloseMs)
    if (thread === undefined || limits.length === 0) return
    this.#silentLooks += 1
    if (this.#silentLooks * LOOK_EVERY_MS <= Math.max(...limits)) return
    // It may not end before SQLite has done what it is at; no other could write before.
    thread.terminate()
    this.#lose(thread, 'it took too long over its work')
  }

  #lose(thread: Worker, reason: string): void {
    if (this.#thread !== thread) return
    this.#thread = undefined
    this.#options.whenWritten()
    if (this.#state === 'open' || this.pending.size > 0)
      this.#options.signal({ event: 'writer_ended', reason })
    for (const [id, outcome] of this.#answers.splice(0)) this.#settle(id, outcome)
    this.#unsent.length = 0
    const error = new DatabaseUnavailable(`the writer thread ended: ${reason}`)
    for (const { reject } of this.pending.values()) reject(error)
    this.pending.clear()
    this.#ended.resolve()
  }

  #beginLater(delayMs: number): void {
    clearTimeout(this.#restart)
    this.#restart = setTimeout(() => this.#beginAgain(), delayMs).unref()
  }

  /** The event loop reads from the file all the while. */
  async #beginAgain(): Promise<void> {
    const usage = { isInUse: true, isOpenHere: true }
    try {
      await this.#begin({ ...this.#options.thread, usage, knownAs: this.#identity })
    } catch {
      if (this.#state === 'open') this.#beginLater(RESTART_AFTER_MS)
    }
  }
}
