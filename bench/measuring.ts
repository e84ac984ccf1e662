/** Runs of load, one contender after the other, so that a slow moment of the machine hits all alike. */
import type { Contender } from './contenders.ts'
import { type Load, putLoad, type Run } from './load.ts'
import { cpuMicroseconds, residentMegabytes } from './process-usage.ts'

/** How often, and for how many seconds, each is measured. */
export interface Pace {
  rounds: number
  seconds: number
  /** Seconds of load before the first round, which do not count. */
  warmUp: number
}

/** A run, the processor's time in microseconds that each request took, and the memory in use after it. */
export interface Measured extends Run {
  cpu: number
  /** The same of the database's server, where there is one. */
  databaseCpu: number
  megabytes: number
}

export interface Entry {
  contender: Contender
  load: Load
}

/** The runs of each entry: the n-th of all are neighbours in time. Each is warmed up before. */
export async function interleave(entries: Entry[], { rounds, seconds, warmUp }: Pace): Promise<Measured[][]> {
  if (warmUp > 0) for (const entry of entries) await measure(entry, warmUp)
  const runs: Measured[][] = entries.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, entry] of entries.entries()) runs[index]?.push(await measure(entry, seconds))
  }
  return runs
}

export async function measure({ contender, load }: Entry, seconds: number): Promise<Measured> {
  const all = [contender, ...(contender.others ?? [])]
  const spent = () => sum(all.map(({ pid }) => cpuMicroseconds(pid)))
  const spentByDatabase = () => contender.databaseCpu?.() ?? Number.NaN
  const before = [spent(), spentByDatabase()] as const
  const urls = all.map(({ url }) => url)
  const run = await putLoad(urls, load, seconds)
  const [requests, megabytes] = [Math.max(1, run.requests), sum(all.map(({ pid }) => residentMegabytes(pid)))]
  const cpu = (spent() - before[0]) / requests
  return { ...run, cpu, databaseCpu: (spentByDatabase() - before[1]) / requests, megabytes }
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

export function failedIn(runs: Measured[]): number {
  return runs.reduce((total, { failed }) => total + failed, 0)
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

export function medianOf<Key extends string>(runs: Record<Key, number>[], key: Key): number {
  return median(runs.map((run) => run[key]))
}

/** A figure of one, as so many times that of the other, taken from neighbouring runs. */
export interface Ratio {
  median: number
  low: number
  high: number
}

/** By their rates, unless another figure is named. */
export function ratioOf<Key extends string = 'rate'>(
  runs: Record<Key, number>[],
  others: Record<Key, number>[],
  key = 'rate' as Key
): Ratio {
  const ratios = runs.map((run, index) => run[key] / (others[index]?.[key] ?? Number.NaN))
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}
