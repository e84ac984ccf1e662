/** What is measured of the service beside its scenarios. */
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Config } from '../config.ts'
import { type Competitor, type Contenders, startCompetitor } from './contenders.ts'
import type { Fixture } from './fixture.ts'
import { type Load, prepareLoad } from './load.ts'
import {
  failedIn,
  interleave,
  type Measured,
  measure,
  median,
  medianOf,
  type Pace,
  type Ratio,
  ratioOf
} from './measuring.ts'
import { residentMegabytes } from './process-usage.ts'
import { ask } from './requests.ts'
import { type Context, scenarioOf } from './scenarios.ts'

const READERS = 8
/** Each reader asks at most so often. */
const READERS_PAUSE_MS = 5
const READS = ['one-author', 'first-page']
const LONGEST_START_MS = 600
const MOST_IDLE_MEGABYTES = 120
const LEAST_GAIN_OF_TWO_WORKERS = 1.6

export interface Figure {
  title: string
  value: string
  /** What was asked for, and whether it was reached. */
  target?: { text: string; isMet: boolean }
  failed: number
}

export function formatRatio({ median, low, high }: Ratio): string {
  return `${median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`
}

/** Requests per second as they are shown. */
export function formatRate(runs: Pick<Measured, 'rate'>[]): string {
  return Math.round(medianOf(runs, 'rate')).toLocaleString('en')
}

export async function loadFor(
  name: string,
  context: Context,
  folder: string,
  connections?: number
): Promise<Load> {
  const scenario = scenarioOf(name)
  const requests = await scenario.requests(context)
  return prepareLoad(path.join(folder, name), requests, connections ?? scenario.connections)
}

/** How long reads take while others write as fast as they can: once with readers as fast as they can, once with patient ones. */
export async function measureBesideWrites(
  contenders: Contenders,
  folder: string,
  pace: Pace
): Promise<Figure[]> {
  const service = await contenders.service()
  const reads = await loadFor('one-author', service.context, folder, READERS)
  const writes = await loadFor('create', service.context, folder)
  return [
    await besideWrites(`${READERS} readers who ask again at once`, service, reads, writes, pace),
    await besideWrites(
      `${READERS} readers who wait ${READERS_PAUSE_MS} ms before they ask again`,
      service,
      { ...reads, pause: READERS_PAUSE_MS },
      writes,
      pace
    )
  ]
}

async function besideWrites(
  title: string,
  contender: Competitor,
  reads: Load,
  writes: Load,
  { rounds, seconds }: Pace
): Promise<Figure> {
  const [idle, busy, writers]: [Measured[], Measured[], Measured[]] = [[], [], []]
  for (let round = 0; round < rounds; round++) {
    idle.push(await measure({ contender, load: reads }, seconds))
    const both = [reads, writes].map((load) => measure({ contender, load }, seconds))
    const [reading, writing] = (await Promise.all(both)) as [Measured, Measured]
    busy.push(reading)
    writers.push(writing)
  }
  const ratio = ratioOf(busy, idle, 'p99')
  const times = [idle, busy].map((runs) => medianOf(runs, 'p99').toFixed(1))
  return {
    title: `p99 of one author beside creates at full speed, ${title}, to that without`,
    value: `${formatRatio(ratio)}: ${times[1]} ms to ${times[0]} ms, beside ${formatRate(writers)} creates/s`,
    target: { text: '<= 4', isMet: ratio.median <= 4 },
    failed: failedIn([...idle, ...busy, ...writers])
  }
}

/** Whether group commit costs a client that is alone anything. */
export async function measureAlone(contenders: Contenders, folder: string, pace: Pace): Promise<Figure[]> {
  const [service, commit] = [await contenders.service(), await contenders.commit()]
  const load = await loadFor('create', service.context, folder, 1)
  const entries = [service, commit].map((contender) => ({ contender, load }))
  const [grouped = [], single = []] = await interleave(entries, pace)
  const ratio = ratioOf(grouped, single)
  return [
    {
      title: 'one client alone, create: group commit to one commit per request',
      value: `${formatRatio(ratio)}: ${formatRate(grouped)} to ${formatRate(single)} requests/s`,
      target: { text: '>= 0.90', isMet: ratio.median >= 0.9 },
      failed: failedIn([...grouped, ...single])
    }
  ]
}

/** From the start of the process to the first answer, and what it holds of memory when nobody asks anything. */
export async function measureStart(fixture: Fixture, rounds: number, idleSeconds: number): Promise<Figure[]> {
  const times: number[] = []
  const sizes: number[] = []
  for (let round = 0; round < rounds; round++) {
    const { milliseconds, service } = await start(fixture)
    times.push(milliseconds)
    if (round === rounds - 1) {
      await sleep(idleSeconds * 1000)
      sizes.push(residentMegabytes(service.pid))
    }
    await service.end()
  }
  const [low, high] = [Math.min(...times), Math.max(...times)].map((time) => time.toFixed(0))
  const [time, size] = [median(times), median(sizes)]
  return [
    {
      title: 'start, from the spawn of the process to the first 200',
      value: `${time.toFixed(0)} ms (${low} to ${high})`,
      target: { text: `< ${LONGEST_START_MS} ms`, isMet: time < LONGEST_START_MS },
      failed: 0
    },
    {
      title: `memory of an idle worker, ${idleSeconds} s after its start`,
      value: `${size.toFixed(0)} MB`,
      target: { text: `< ${MOST_IDLE_MEGABYTES} MB`, isMet: size < MOST_IDLE_MEGABYTES },
      failed: 0
    }
  ]
}

async function start(fixture: Fixture) {
  const begun = performance.now()
  const service = await startCompetitor(fixture)
  const { status } = await ask(service.url, {
    method: 'GET',
    path: '/health/ready',
    headers: {},
    status: 200
  })
  if (status !== 200) throw new Error(`GET /health/ready answered ${status}`)
  return { milliseconds: performance.now() - begun, service }
}

/** Two workers beside one, where the service knows workers. */
export async function measureWorkers(contenders: Contenders, folder: string, pace: Pace): Promise<Figure[]> {
  if (!('WORKERS' in Config.properties)) return []
  const service = await contenders.service()
  const two = await startCompetitor(service.context, { WORKERS: '2' })
  try {
    const figures: Figure[] = []
    for (const name of READS) figures.push(await twoToOne(name, two, service, folder, pace))
    return figures
  } finally {
    await two.end()
  }
}

async function twoToOne(
  name: string,
  two: Competitor,
  one: Competitor,
  folder: string,
  pace: Pace
): Promise<Figure> {
  const load = await loadFor(name, one.context, folder)
  const entries = [two, one].map((contender) => ({ contender, load }))
  const [ofTwo = [], ofOne = []] = await interleave(entries, pace)
  const ratio = ratioOf(ofTwo, ofOne)
  return {
    title: `two workers to one, ${scenarioOf(name).title}`,
    value: `${formatRatio(ratio)}: ${formatRate(ofTwo)} to ${formatRate(ofOne)} requests/s`,
    target: {
      text: `>= ${LEAST_GAIN_OF_TWO_WORKERS}`,
      isMet: ratio.median >= LEAST_GAIN_OF_TWO_WORKERS
    },
    failed: failedIn([...ofTwo, ...ofOne])
  }
}
