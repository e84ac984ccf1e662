import cluster, { type Worker } from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Family } from '../plugins/metrics/instruments.ts'
import type { Started } from '../process/start-line.ts'

/** What a worker tells its primary once it listens. */
export type Report = Started

/** What a worker's metrics are: when it was asked, and at last when it ends. */
export interface Told {
  families: Family[]
}

/** What a primary tells a worker: to end soon, or to end when its clients have let go of their connections; or asks for its metrics, with those of the whole service or without. */
export type Order = 'end' | 'retire' | { tellMetrics: 'all' | 'own' }

/** Who asks for metrics has not much longer to wait. */
const LONGEST_ANSWER_MS = 3000

/** How a process ended. */
export interface Exit {
  code: number | null
  signal: string | null
}

/** A worker that did not get as far as to listen; with exit code 1 it has said why. */
export class WorkerFailed extends Error {
  override readonly name = 'WorkerFailed'
  readonly hasSaidWhy: boolean

  constructor({ code, signal }: Exit) {
    super(`A worker ended with ${signal ?? `exit code ${code}`} before it listened.`)
    this.hasSaidWhy = code === 1
  }
}

/** One worker process, from its fork to its end. */
export class Member {
  readonly #worker: Worker
  readonly #forkedAt = performance.now()
  #hasListened = false
  #metrics: Family[] = []
  #whenTold = Promise.withResolvers<void>()
  /** Resolves to what it reports; rejects with `WorkerFailed`. */
  readonly listening: Promise<Report>
  readonly exited: Promise<Exit>

  /** Forks it with these variables beside those of this process. */
  constructor(variables: Record<string, string>) {
    const worker = cluster.fork(variables)
    this.#worker = worker
    this.exited = new Promise((resolve) => {
      worker.once('exit', (code, signal) => resolve({ code, signal }))
      // One that could not be forked at all has no exit.
      worker.on('error', () => worker.process.pid === undefined && resolve({ code: null, signal: null }))
    })
    this.listening = new Promise((resolve, reject) => {
      worker.on('message', (message: Report | Told) => {
        if ('families' in message) return this.#noteMetrics(message)
        this.#hasListened = true
        resolve(message)
      })
      this.exited.then((exit) => reject(new WorkerFailed(exit)))
    })
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  get hasListened(): boolean {
    return this.#hasListened
  }

  get ageInMs(): number {
    return performance.now() - this.#forkedAt
  }

  /** The metrics that it told last. */
  get metrics(): Family[] {
    return this.#metrics
  }

  /** Resolves when it has told its metrics, or had time enough to. */
  async askMetrics(which: 'all' | 'own'): Promise<void> {
    const { promise } = this.#whenTold
    this.order({ tellMetrics: which })
    const overdue = new AbortController()
    const { signal } = overdue
    await Promise.race([
      promise,
      this.exited,
      sleep(LONGEST_ANSWER_MS, undefined, { signal }).catch(() => {})
    ])
    overdue.abort()
  }

  #noteMetrics({ families }: Told): void {
    this.#metrics = families
    this.#whenTold.resolve()
    this.#whenTold = Promise.withResolvers()
  }

  order(order: Order): void {
    // Without the callback an order to one that is just ending would be thrown as an error.
    if (this.#worker.isConnected()) this.#worker.send(order, () => {})
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }
}
