import { isBusy } from '../errors.ts'

const PATIENCE_MS = 2000
/** SQLite itself looks ever more seldom for a lock, and starves beside a process that writes all the time. */
const RETRY_MS = 1
const NEVER = new Int32Array(new SharedArrayBuffer(4))

/** Tries again while another process has the lock, and stops this thread meanwhile. After two seconds it throws what SQLite says. */
export function patiently<T>(work: () => T): T {
  for (const end = performance.now() + PATIENCE_MS; ; Atomics.wait(NEVER, 0, 0, RETRY_MS)) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error
    }
  }
}
