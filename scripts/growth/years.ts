/** Years of daily edits, in minutes: whether a database stays as large as what `HISTORY_KEEP` keeps. */
import { statSync } from 'node:fs'
import { AgedCatalogue } from './aged-catalogue.ts'

const DAYS_A_YEAR = 365
const TRIM_EVERY_DAYS = 7
/** By then all that is kept is there. */
const FULL_AFTER_YEARS = 2
/** A file that is full once may grow by so much, as its pages are filled in other ways. */
const MOST_GROWTH = 1.1

export interface Year {
  year: number
  fileBytes: number
  /** Of the write-ahead log, which is used from its beginning again and again. */
  logBytes: number
  /** In the change log. */
  changes: number
}

export interface Years {
  /** Where the database is made. */
  file: string
  years: number
  /** Authors, each of which is edited once a day. */
  edited: number
  /** As the setting. */
  keep: string
  /** Called at the end of each year. */
  tell?: (year: Year) => void
}

/** Lets years pass; gives how large the database was at the end of each. */
export async function passYears({ file, years, edited, keep, tell = () => {} }: Years): Promise<Year[]> {
  const aged = await AgedCatalogue.open(file, years * DAYS_A_YEAR)
  const passed: Year[] = []
  try {
    const ids: string[] = []
    for (let number = 0; number < edited; number += 1)
      ids.push((await aged.create({ name: `Diarist ${number}` })).id)
    for (let day = 1; day <= years * DAYS_A_YEAR; day += 1) {
      aged.day = day
      const note = `Day ${day}. ${'And so to bed. '.repeat(5 + (day % 20))}`
      await Promise.all(ids.map((id) => aged.edit(id, note)))
      if (day % TRIM_EVERY_DAYS === 0) await aged.trim(keep)
      if (day % DAYS_A_YEAR !== 0) continue
      const logBytes = statSync(`${file}-wal`).size
      await aged.reopen()
      const fileBytes = statSync(file).size
      const year = { year: day / DAYS_A_YEAR, fileBytes, logBytes, changes: await aged.countChanges() }
      passed.push(year)
      tell(year)
    }
  } finally {
    await aged.close()
  }
  return passed
}

/** How many times as large the database is at the end as when it was full for the first time; null when the years are too few to say. */
export function growthOf(passed: readonly Year[]): number | null {
  const [full, last] = [passed[FULL_AFTER_YEARS - 1], passed.at(-1)]
  return full === undefined || last === undefined || last === full ? null : last.fileBytes / full.fileBytes
}

/** Whether that is no growth. */
export function isBounded(passed: readonly Year[]): boolean {
  return (growthOf(passed) ?? 1) <= MOST_GROWTH
}

const inMegabytes = (bytes: number) => (bytes / 1_000_000).toFixed(1)

/** The same years with each setting; the faults say where the database went on to grow though it should not. */
export async function compareYears(
  { fileFor, ...options }: Pick<Years, 'years' | 'edited'> & { fileFor: (keep: string) => string },
  log: (line: string) => void
): Promise<string[]> {
  const faults: string[] = []
  for (const keep of ['forever', '365d', '20v']) {
    const tell = ({ year, fileBytes, logBytes, changes }: Year) =>
      log(
        `HISTORY_KEEP=${keep}, year ${year}: ${inMegabytes(fileBytes)} MB, write-ahead log ${inMegabytes(logBytes)} MB, ${changes} changes`
      )
    const passed = await passYears({ ...options, file: fileFor(keep), keep, tell })
    if (keep !== 'forever' && !isBounded(passed))
      faults.push(
        `with HISTORY_KEEP=${keep} the database grew ${growthOf(passed)?.toFixed(2)} times once it was full`
      )
  }
  return faults
}
