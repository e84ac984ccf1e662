/** Which backups are kept: fewer, the older they are. */
import { renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { isCredible, listBackups, PARTIAL } from './folder.ts'
import { readManifest } from './manifest.ts'

/** Of so many hours, days and weeks the last backup is kept. */
export interface Keep {
  hourly: number
  daily: number
  weekly: number
}

const DAY_MS = 86_400_000
/** The first of January 1970 was a Thursday. */
const TO_MONDAY = 3

/** By which two backups are known to be of the same hour, day or week, in UTC. */
const PERIODS: Record<keyof Keep, (at: Date) => string | number> = {
  hourly: (at) => at.toISOString().slice(0, 13),
  daily: (at) => at.toISOString().slice(0, 10),
  weekly: (at) => Math.floor((Math.floor(at.getTime() / DAY_MS) + TO_MONDAY) / 7)
}

/** A backup, as far as its age counts. */
export interface Aged {
  folder: string
  at: Date
}

/** Those that need not be kept. Periods without a backup do not count, so that nothing goes while none are made; the newest stays. */
export function surplusOf<B extends Aged>(backups: readonly B[], keep: Keep): B[] {
  const newestFirst = backups.toSorted((one, other) => other.at.getTime() - one.at.getTime())
  const kept = new Set(newestFirst.slice(0, 1))
  for (const [name, periodOf] of Object.entries(PERIODS)) {
    const last = new Map<string | number, B>()
    for (const backup of newestFirst) {
      const period = periodOf(backup.at)
      if (!last.has(period)) last.set(period, backup)
    }
    for (const backup of [...last.values()].slice(0, keep[name as keyof Keep])) kept.add(backup)
  }
  return newestFirst.filter((backup) => !kept.has(backup))
}

/** Deletes the backups of a folder that need not be kept, and gives their names. What has no manifest that can be read, or a time that is still to come, is left to the operator. Only while alone. */
export function prune(folder: string, keep: Keep): string[] {
  const surplus = surplusOf(agedIn(folder), keep)
  for (const { folder } of surplus) {
    // A kill in the middle leaves nothing that has the name of a backup, and the next one deletes the rest.
    renameSync(folder, folder + PARTIAL)
    rmSync(folder + PARTIAL, { recursive: true, force: true })
  }
  return surplus.map(({ folder }) => path.basename(folder))
}

function agedIn(folder: string): Aged[] {
  return listBackups(folder).flatMap((name) => agedOf(path.join(folder, name)) ?? [])
}

function agedOf(folder: string): Aged | undefined {
  try {
    const at = new Date(readManifest(folder).made_at)
    return isCredible(at) ? { folder, at } : undefined
  } catch {
    return undefined
  }
}
