import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const LOOK_AFTER_MS = 1000
const IDLE_UTILIZATION = 0.1

/**
 * What only the start has needed is a third of a thread's memory, and V8 would keep it until the service has asked for a lot more.
 * A thread that is busy already comes to that soon, and is better off without the pause of some 20 ms.
 */
export function collectStartupGarbageLater(): void {
  const start = performance.eventLoopUtilization()
  const collectWhenIdle = () => {
    if (performance.eventLoopUtilization(start).utilization < IDLE_UTILIZATION) collectGarbage()
  }
  setTimeout(collectWhenIdle, LOOK_AFTER_MS).unref()
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
