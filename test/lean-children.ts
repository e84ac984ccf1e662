/**
 * Processes and threads that tests start run as they do outside of tests, with V8's compile cache and without the coverage of tap: they
 * start several times as fast. Processes that have lines which only they run are started with `COVERED`; of the service's own threads
 * the first of each kind in a process are covered.
 */
import module, { createRequire } from 'node:module'
import path from 'node:path'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import processOnSpawn from 'process-on-spawn'

const COMPILE_CACHE = path.join(import.meta.dirname, '../node_modules/.cache/library-api')
const TAP_LOADER = /"?--import=[^\s"]*\/@tapjs\/processinfo\/[^\s"]*"?/g

/** A variable for the environment of a process whose lines are to count as covered. */
export const COVERED = { IS_COVERED: 'yes' }

function leanEnvironment(from: NodeJS.ProcessEnv) {
  const { NODE_OPTIONS = '', NODE_DISABLE_COMPILE_CACHE: _, ...env } = from
  return {
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...env,
    NODE_OPTIONS: NODE_OPTIONS.replace(TAP_LOADER, '').trim()
  }
}

processOnSpawn.addListener((child) => {
  if ('IS_COVERED' in child.env) return
  child.env = leanEnvironment(child.env)
})

const THREADS = [
  'db/sqlite/writing/writer-thread.js',
  'plugins/transfers/import-thread.ts',
  'plugins/transfers/reading-thread.ts'
].map((file) => path.join(import.meta.dirname, '..', file))
const COVERED_OF_A_KIND = 2
/** A thread has no compile cache but one that it turns on itself. */
const LEAN_THREAD = `--import=${import.meta.resolve('./lean-thread.js')}`
const started = new Map<string, number>()
const lean = new WeakSet<Worker>()

/** Whether its lines do not count as covered. */
export const isLean = (thread: Worker) => lean.has(thread)

/** What a thread has that has commands of the test's own may run nowhere else. */
function isCovered(file: string, { workerData }: WorkerOptions): boolean {
  if (!THREADS.includes(file) || workerData?.commandFolders?.length > 0) return true
  const count = (started.get(file) ?? 0) + 1
  started.set(file, count)
  return count <= COVERED_OF_A_KIND
}

class TestWorker extends Worker {
  constructor(file: string | URL, options: WorkerOptions = {}) {
    const isAsItIs = isCovered(String(file), options)
    super(
      file,
      isAsItIs ? options : { ...options, env: leanEnvironment(process.env), execArgv: [LEAN_THREAD] }
    )
    if (!isAsItIs) lean.add(this)
  }
}

createRequire(import.meta.url)('node:worker_threads').Worker = TestWorker
module.syncBuiltinESMExports()
