/** What goes on in this engine, for logs and metrics. */
export type PostgresEvent =
  | { event: 'batch'; calls: number; lockMs: number; commitMs: number; waiting: number }
  /** It was undone by a conflict or a lost connection, and is run again. */
  | { event: 'batch_retried'; reason: string }
  /** Nothing that waited was written, as far as is known. */
  | { event: 'batch_failed'; reason: string; calls: number }
  /** Nobody knows whether it was written. */
  | { event: 'commit_unknown'; reason: string; calls: number }
