import type { PostgresEvent } from './postgres/events.ts'
import type { SqliteEvent } from './sqlite/writing/protocol.ts'

/** What goes on in the database, for logs and metrics. */
export type DatabaseEvent = SqliteEvent | PostgresEvent
