import module from 'node:module'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ToThread } from './protocol.ts'

const ENTRY = path.join(import.meta.dirname, 'writer-thread.ts')

/**
 * Threads that have loaded their modules and wait for a database. To load them takes longer than all else of an opening, so that who opens
 * many databases, as the tests do, keeps some of them.
 */
export const spareThreads = {
  most: 0,
  threads: [] as Worker[],

  /** Ends them; resolves when they have ended. */
  async end(): Promise<void> {
    const ended = this.threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve)))
    for (const thread of this.threads.splice(0)) {
      thread.ref()
      exit(thread)
    }
    await Promise.all(ended)
  }
}

/** A thread for this database. With command folders of its own it is a new one. */
export function takeThread(commandFolders: readonly string[]): Worker {
  const spare = commandFolders.length === 0 ? spareThreads.threads.pop() : undefined
  spare?.ref()
  return spare ?? startThread(commandFolders)
}

/** Its database is closed. */
export function giveBackThread(thread: Worker, commandFolders: readonly string[]): void {
  for (const event of ['message', 'error', 'exit']) thread.removeAllListeners(event)
  const isSpare = commandFolders.length === 0 && spareThreads.threads.length < spareThreads.most
  if (!isSpare) exit(thread)
  else if (spareThreads.threads.push(thread)) thread.unref()
}

function exit(thread: Worker): void {
  thread.postMessage('exit' satisfies ToThread)
}

function startThread(commandFolders: readonly string[]): Worker {
  return new Worker(ENTRY, { workerData: { commandFolders, compileCache: compileCacheFolder() } })
}

function compileCacheFolder(): string | undefined {
  const folder = module.getCompileCacheDir()
  // Node makes a folder of its own for each version in the one that it is given.
  return folder && path.dirname(folder)
}
