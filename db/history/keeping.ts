/** How much of the past is kept of each author: `HISTORY_KEEP`. */
export interface HistoryKeep {
  /** So many of the last versions stay, however old they are; 0 when their number does not matter. */
  versions: number
  /** A version stays until it was replaced so many days ago. */
  days: number
}

/** What was replaced since then stays in any case, so that those who read the feed every day miss nothing. */
const LEAST_DAYS = 1

/** For ever, an age, a number of versions, or both in any order. */
export const HISTORY_KEEP =
  '^(forever|[1-9]\\d{0,4}[dv]|[1-9]\\d{0,4}v,[1-9]\\d{0,4}d|[1-9]\\d{0,4}d,[1-9]\\d{0,4}v)$'

/** What a setting of that form says; undefined for ever. */
export function readHistoryKeep(setting: string): HistoryKeep | undefined {
  if (setting === 'forever') return undefined
  const numberBefore = (unit: string) => Number(new RegExp(`(\\d+)${unit}`).exec(setting)?.[1] ?? 0)
  return { versions: numberBefore('v'), days: Math.max(LEAST_DAYS, numberBefore('d')) }
}

const DAY_MS = 86_400_000

/** What was replaced before that is old. */
export function oldBefore({ days }: HistoryKeep, at: string): string {
  return new Date(Date.parse(at) - days * DAY_MS).toISOString()
}
