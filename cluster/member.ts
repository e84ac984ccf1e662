import cluster, { type Worker } from 'node:cluster'
import type { Started } from '../process/start-line.ts'

/** What a worker tells its primary once it listens. */
export type Report = Started

/** What a primary tells a worker: to end soon, or to end when its clients have let go of their connections. */
export type Order = 'end' | 'retire'

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
      worker.once('message', (report: Report) => {
        this.#hasListened = true
        resolve(report)
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

  order(order: Order): void {
    // Without the callback an order to one that is just ending would be thrown as an error.
    if (this.#worker.isConnected()) this.#worker.send(order, () => {})
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }
}
