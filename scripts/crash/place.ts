/** Where a crash test has its database, which is of nobody else. */
import path from 'node:path'
import { describeDatabase, isServer } from '../../db/dialect.ts'
import { type Service, startService } from '../service-process.ts'
import { readBeside } from './reading.ts'

export interface Place {
  databaseUrl: string
  /** Where the service has its files when the database is on a server; otherwise they are beside that. */
  spoolDir?: string | undefined
}

/** The server that a `DATABASE_URL` names, or else a new file in the folder. */
export function placeIn(folder: string, databaseUrl = process.env.DATABASE_URL ?? ''): Place {
  if (isServer(databaseUrl)) return { databaseUrl, spoolDir: folder }
  return { databaseUrl: path.join(folder, 'library.db') }
}

/** What the service needs to be told of it, beside its `DATABASE_URL`. */
export function settingsOf({ spoolDir }: Place): Record<string, string> {
  return spoolDir === undefined ? {} : { SPOOL_DIR: spoolDir }
}

/** Starts the service for the first time. Throws when a server's database has anything in it, which would be spoilt. */
export async function startOnNew(
  place: Place,
  variables: Record<string, string> = {},
  file?: string
): Promise<Service> {
  const { databaseUrl } = place
  const service = await startService(databaseUrl, { ...variables, ...settingsOf(place) }, file)
  if (!isServer(databaseUrl) || (await isNew(databaseUrl))) return service
  await service.end('SIGTERM')
  throw new Error(
    `${describeDatabase(databaseUrl)} is in use: name a database that is new, and for this alone.`
  )
}

function isNew(databaseUrl: string): Promise<boolean> {
  return readBeside(databaseUrl, async (db) => {
    const user = await db.selectFrom('users').select('id').limit(1).executeTakeFirst()
    const change = await db.selectFrom('changes').select('sequence').limit(1).executeTakeFirst()
    return user === undefined && change === undefined
  })
}
