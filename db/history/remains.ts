/** What the log has of an author in place of what it was, once that is purged: its id, by which readers and cursors know it. */

/** In the place of what a deleted author was before. */
export function remainsOf(id: string): string {
  return JSON.stringify({ id })
}

/**
 * The same in the last change of an author that was purged as a whole. That change is a deletion in the table, whose check of operations SQLite
 * could only change by copying all rows.
 */
export function tombstoneOf(id: string): string {
  return JSON.stringify({ id, purged: true })
}

/** Whether only remains are left of what an author was. */
export function isPurged(before: string): boolean {
  return !Object.hasOwn(JSON.parse(before), 'name')
}

export function isTombstone(before: string): boolean {
  return Object.hasOwn(JSON.parse(before), 'purged')
}
