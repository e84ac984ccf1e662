/** What a move tells of. */
export type MoveEvent =
  | { event: 'resumed'; done: number; total: number }
  /** What was copied before is of another state of the source. */
  | { event: 'begun_again' }
  | { event: 'copying' | 'comparing' | 'replaying' | 'finding'; done: number; total: number }

export type Tell = (event: MoveEvent) => void
