import module from 'node:module'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ToThread } from './protocol.ts'

const ENTRY = path.join(import.meta.dirname, 'writer-thread.js')

let prepared: Worker | undefined

/** Where a writer takes its thread from, and gives it back once its database is closed. */
export const threads = {
  /** Starts a thread before there is a writer that takes it: it loads its modules while this one loads others. */
  prepare(): void {
    prepared = start([])
    prepared.unref()
    prepared.once('error', forget)
    prepared.once('exit', forget)
  },

  /** A thread that has these command folders beside the service's own, and waits for a database. */
  take(commandFolders: readonly string[]): Worker {
    const thread = (commandFolders.length === 0 ? prepared : undefined) ?? start(commandFolders)
    if (thread === prepared) forget()
    thread.ref()
    return thread
  },

  giveBack(thread: Worker, _commandFolders: readonly string[]): void {
    // Nothing that fails in it now concerns anybody; an error that nobody hears would end the process.
    thread.on('error', () => {})
    thread.postMessage('exit' satisfies ToThread)
  },

  /** Ends the thread that was prepared and not taken, if any. */
  dropPrepared(): void {
    if (prepared !== undefined) threads.giveBack(prepared, [])
    forget()
  }
}

/**
 * What survives a collection of young objects moves to the old ones at once. Node ends a thread that is out of memory 16 MB before V8 ends
 * the process, so that it must be less than that.
 */
const MOST_YOUNG_MB = 8

function start(commandFolders: readonly string[]): Worker {
  return new Worker(ENTRY, {
    workerData: { commandFolders, compileCache: compileCacheFolder() },
    resourceLimits: { maxYoungGenerationSizeMb: MOST_YOUNG_MB }
  })
}

function forget(): void {
  prepared = undefined
}

function compileCacheFolder(): string | undefined {
  const folder = module.getCompileCacheDir()
  // Node makes a folder of its own for each version in the one that it is given.
  return folder && path.dirname(folder)
}
