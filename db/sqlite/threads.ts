import module from 'node:module'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ToThread } from './protocol.ts'

const ENTRY = path.join(import.meta.dirname, 'writer-thread.ts')

/** Where a writer takes its thread from, and gives it back once its database is closed. The tests keep some, which load slowly. */
export const threads = {
  /** A thread that has these command folders beside the service's own, and waits for a database. */
  take(commandFolders: readonly string[]): Worker {
    return new Worker(ENTRY, { workerData: { commandFolders, compileCache: compileCacheFolder() } })
  },

  giveBack(thread: Worker, _commandFolders: readonly string[]): void {
    thread.postMessage('exit' satisfies ToThread)
  }
}

function compileCacheFolder(): string | undefined {
  const folder = module.getCompileCacheDir()
  // Node makes a folder of its own for each version in the one that it is given.
  return folder && path.dirname(folder)
}
