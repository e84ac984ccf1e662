/** Keeps a few writer threads whose database is closed for the next one: to load their modules takes longer than a test's own work. */
import type { Worker } from 'node:worker_threads'
import { threads } from '../db/sqlite/threads.ts'

const MOST_SPARES = 3

const { take, giveBack } = threads
const spares: Worker[] = []

threads.take = (commandFolders) => {
  const spare = commandFolders.length === 0 ? spares.pop() : undefined
  spare?.ref()
  return spare ?? take(commandFolders)
}

threads.giveBack = (thread, commandFolders) => {
  const isSpare = commandFolders.length === 0 && spares.length < MOST_SPARES
  if (!isSpare) return giveBack(thread, commandFolders)
  spares.push(thread)
  thread.unref()
}

// One that is just left behind would not say which of its lines were covered.
process.once('beforeExit', () => {
  for (const thread of spares.splice(0)) {
    thread.ref()
    giveBack(thread, [])
  }
})
