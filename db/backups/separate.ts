import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { deletePartials, whileAlone } from './folder.ts'
import type { Keep } from './keeping.ts'

/** What a process is to do. */
export interface Order {
  databaseUrl: string
  folder: string
  version: string
  /** It is not wanted while there is one that is younger. */
  everyMs: number
  keep: Keep
}

export type Outcome =
  | 'not wanted'
  | { failed: string }
  | { made: { folder: string; bytes: number; authors: number; deleted: string[] } }

/** In a package it is JavaScript, as this is. */
const PROGRAM = path.join(import.meta.dirname, `process${path.extname(import.meta.filename)}`)

/** Makes backups in processes of their own, one at a time. */
export class SeparateBackups {
  #child: ChildProcess | undefined
  #isEnding = false

  /** Never rejects. */
  async make(order: Order): Promise<Outcome> {
    if (this.#isEnding) return 'not wanted'
    try {
      return await this.#makeBy(fork(PROGRAM, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }), order)
    } catch (error) {
      return { failed: (error as Error).message }
    }
  }

  async #makeBy(child: ChildProcess, order: Order): Promise<Outcome> {
    this.#child = child
    let outcome: Outcome | undefined
    child.once('message', (message: Outcome) => {
      outcome = message
    })
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, signal) => resolve(`its process ended with ${signal ?? `exit code ${code}`}`))
    })
    // Where there is no room for its pipes, it is not even connected.
    if (child.connected) child.send(order, () => {})
    const end = await ended
    this.#child = undefined
    return outcome ?? (this.#isEnding ? 'not wanted' : { failed: end })
  }

  /** Ends the process if there is one, and deletes what it has begun. */
  async end(folder: string): Promise<void> {
    this.#isEnding = true
    const child = this.#child
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    await whileAlone(folder, async () => deletePartials(folder)).catch(() => {})
  }
}
