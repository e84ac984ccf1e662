/** So far apart the clocks of those who share a database may be. */
export const CLOCK_LEEWAY_MS = 60_000

/** What was written later than this, as seen at that time, was written by a clock that was ahead and has been set right since. */
export function latestCredible(at: string): string {
  return new Date(Date.parse(at) + CLOCK_LEEWAY_MS).toISOString()
}
