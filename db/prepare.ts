/** Before the service itself is loaded. It loads next to nothing. */
import { isServer } from './postgres/url.ts'
import { threads } from './sqlite/writing/threads.ts'

/** Lets the engine load what it needs beside this thread, which takes half as long as all else of a start. */
export function prepareEngine(databaseUrl = ''): void {
  if (!isServer(databaseUrl)) threads.prepare()
}

/** In a process that opens no database after all, or one that needs nothing of that. */
export function dropPreparedEngine(databaseUrl?: string): void {
  if (databaseUrl === undefined || isServer(databaseUrl)) threads.dropPrepared()
}
