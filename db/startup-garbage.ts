import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const LOOK_EVERY_MS = 1000
const MOST_LOOKS = 30
const IDLE_UTILIZATION = 0.1

/**
 * What only the start has needed is a third of a thread's memory, and V8 would keep it until the service has asked for a lot more.
 * A thread that is busy for long comes to that by itself, and is better off without the pause of some 20 ms.
 */
export function collectStartupGarbageLater(): void {
  let last = performance.eventLoopUtilization()
  let looks = 0
  const look = () => {
    const isIdle = performance.eventLoopUtilization(last).utilization < IDLE_UTILIZATION
    last = performance.eventLoopUtilization()
    looks += 1
    if (isIdle) collectGarbage()
    if (isIdle || looks === MOST_LOOKS) clearInterval(timer)
  }
  const timer = setInterval(look, LOOK_EVERY_MS).unref()
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
