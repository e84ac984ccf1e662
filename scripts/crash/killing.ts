/** Killing the service at a moment that nobody has chosen. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Service, Starting } from '../service-process.ts'
import type { Moment, Orders } from './killer.ts'
import type { Place } from './place.ts'
import { importUnderWay } from './staged-files.ts'
import { type Backfill, isUnderWay, readBackfill } from './wal-index.ts'

const MOST_ANSWERS = 1000
const LONGEST_DELAY_MS = 5
/** No longer than each usually lasts. */
const LONGEST_DELAYS_MS: Record<Moment, number> = {
  checkpoint: 25,
  staging: 50,
  importing: 80,
  deleting: 8,
  opening: 20
}

/** What clients tell while they work. */
export interface Signals {
  onAnswer(): void
  /** That a deletion has begun that takes a while, and that it is over. */
  onDeletion(isUnderWay: boolean): void
}

/**
 * Kills the service during the work of its clients, at the moment that it is told to wait for, or after some answers; gives the moments
 * that can be told from the files.
 */
export async function killDuring(
  service: Service,
  place: Place,
  moment: Moment | undefined,
  work: (signals: Signals) => Promise<unknown>
): Promise<Moment[]> {
  const afterRecovery = readBackfill(place)
  const deletions = new Int32Array(new SharedArrayBuffer(4))
  const enough = Promise.withResolvers<void>()
  let answersLeft = moment === undefined ? randomAnswers() : Number.POSITIVE_INFINITY
  const done = work({
    onAnswer: () => answersLeft-- <= 0 && enough.resolve(),
    onDeletion: (isUnderWay) => Atomics.add(deletions, 0, isUnderWay ? 1 : -1)
  })
  const kill = async () => {
    if (moment !== undefined) return killAt(moment, service, { place, afterRecovery, deletions })
    await Promise.race([enough.promise, done])
    waitBusily(Math.random() * LONGEST_DELAY_MS)
    process.kill(service.pid, 'SIGKILL')
  }
  await Promise.all([kill(), done])
  await service.end('SIGKILL')
  const isInCheckpoint = isUnderWay(readBackfill(place), afterRecovery)
  return [isInCheckpoint ? ('checkpoint' as const) : [], importUnderWay(place) ?? []].flat()
}

/** Kills a service that is just opening its database; tells whether that was before it listened. */
export async function killOpening(starting: Starting, place: Place): Promise<boolean> {
  const isUp = starting.url.then(
    () => true,
    () => false
  )
  await killAt('opening', starting, { place, afterRecovery: readBackfill(place) })
  await starting.end('SIGKILL')
  return !(await isUp)
}

interface Signs {
  place: Place
  afterRecovery: Backfill
  deletions?: Int32Array
}

async function killAt(moment: Moment, { pid }: { pid: number }, signs: Signs): Promise<void> {
  const orders: Orders = {
    pid,
    moment,
    longestDelay: LONGEST_DELAYS_MS[moment],
    deletions: new Int32Array(1),
    ...signs
  }
  const killer = new Worker(new URL('killer.ts', import.meta.url), { workerData: orders })
  await once(killer, 'exit')
}

/** Seldom many. */
function randomAnswers(): number {
  return Math.floor(MOST_ANSWERS ** Math.random())
}

/** A timer would only ever fire at whole milliseconds, and between two answers. */
function waitBusily(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
