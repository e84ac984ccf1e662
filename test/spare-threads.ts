/** Keeps a few writer threads whose database is closed for the next one: to load their modules takes longer than a test's own work. */
import type { Worker } from 'node:worker_threads'
import { threads } from '../db/sqlite/writing/threads.ts'
import { isLean } from './lean-children.ts'

const MOST_SPARES = 6

const { take, giveBack } = threads
/** Those that are covered come last, and are taken first. */
const spares: Worker[] = []

threads.take = (commandFolders) => {
  const spare = commandFolders.length === 0 ? spares.pop() : undefined
  spare?.ref()
  return spare ?? take(commandFolders)
}

threads.giveBack = (thread, commandFolders) => {
  if (commandFolders.length > 0) return giveBack(thread, commandFolders)
  if (isLean(thread)) spares.unshift(thread)
  else spares.push(thread)
  thread.unref()
  if (spares.length > MOST_SPARES) end(spares.shift() as Worker)
}

// One that is just left behind would not say which of its lines were covered.
process.once('beforeExit', () => {
  for (const thread of spares.splice(0)) end(thread)
})

function end(thread: Worker): void {
  thread.ref()
  giveBack(thread, [])
}
