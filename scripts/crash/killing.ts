/** Killing the service at a moment that nobody has chosen. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Service, Starting } from '../service-process.ts'
import type { Moment, Orders } from './killer.ts'
import { type Backfill, isUnderWay, readBackfill } from './wal-index.ts'

const MOST_ANSWERS = 200
const LONGEST_DELAY_MS = 5
/** About as long as a checkpoint, and as opening and recovering, takes. */
const LONGEST_DELAYS_MS: Record<Moment, number> = { checkpoint: 25, opening: 20 }

/** Kills the service during the work of its clients; tells whether that was in a checkpoint too, for which it waits if asked to. */
export async function killDuring(
  service: Service,
  databaseFile: string,
  inCheckpoint: boolean,
  work: (onAnswer: () => void) => Promise<unknown>
): Promise<boolean> {
  const afterRecovery = readBackfill(databaseFile)
  const enough = Promise.withResolvers<void>()
  let answersLeft = inCheckpoint ? Number.POSITIVE_INFINITY : randomInt(MOST_ANSWERS)
  const done = work(() => answersLeft-- <= 0 && enough.resolve())
  const kill = async () => {
    if (inCheckpoint) return killAt('checkpoint', service, databaseFile, afterRecovery)
    await Promise.race([enough.promise, done])
    waitBusily(Math.random() * LONGEST_DELAY_MS)
    process.kill(service.pid, 'SIGKILL')
  }
  await Promise.all([kill(), done])
  await service.end('SIGKILL')
  return isUnderWay(readBackfill(databaseFile), afterRecovery)
}

/** Kills a service that is just opening its database; tells whether that was before it listened. */
export async function killOpening(starting: Starting, databaseFile: string): Promise<boolean> {
  const isUp = starting.url.then(
    () => true,
    () => false
  )
  await killAt('opening', starting, databaseFile, readBackfill(databaseFile))
  await starting.end('SIGKILL')
  return !(await isUp)
}

async function killAt(
  moment: Moment,
  { pid }: { pid: number },
  databaseFile: string,
  afterRecovery: Backfill
): Promise<void> {
  const orders: Orders = { pid, databaseFile, moment, afterRecovery, longestDelay: LONGEST_DELAYS_MS[moment] }
  const killer = new Worker(new URL('killer.ts', import.meta.url), { workerData: orders })
  await once(killer, 'exit')
}

/** A timer would only ever fire at whole milliseconds, and between two answers. */
function waitBusily(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
