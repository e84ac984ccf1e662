/** What goes on in this engine, for logs and metrics. */
export type PostgresEvent =
  | { event: 'batch'; calls: number; lockMs: number; commitMs: number; waiting: number }
  /** Nothing that waited was written, as far as is known. */
  | { event: 'batch_failed'; reason: string; calls: number }
