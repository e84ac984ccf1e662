/** Writes the tables once more, without what was deleted. */
import type { TellVacuum, Vacuumed } from '../../upkeep.ts'
import { type Connection, serverOf } from '../connection.ts'
import { refuseUsed, refusing, rowsOf, staying } from '../moving/side.ts'
import { LONGEST_STATEMENT_MS } from './migrating.ts'

const NOTE =
  'The server keeps what was deleted in its write-ahead log until that is recycled, and so do archives, replicas and backups.'

interface Table {
  name: string
  bytes: number
}

/** Nobody else may use the database meanwhile, because each table is locked while it is written. Throws `DatabaseRefused`. */
export async function vacuumServer(url: string, place: string, tell: TellVacuum): Promise<Vacuumed> {
  return refusing(url, async (connection) => {
    await refuseUsed(connection, place)
    // A pooler would give them to others.
    if (serverOf(url).prepares)
      await connection.runAll(['set statement_timeout = 0', "set lock_timeout = '10s'"])
    // What an open transaction may still see is not left out.
    const viewers = await staying(connection, 'backend_xmin is not null')
    const before = await sizeOf(connection)
    const tables = await listTables(connection)
    const largest = Math.max(0, ...tables.map(({ bytes }) => bytes))
    tell(
      `needs up to ${Math.ceil(largest / 1_000_000)} MB on the disk of the server, which says to nobody how much is free there`
    )
    for (const { name } of tables) {
      tell(name)
      await connection.run({ sql: `vacuum (full, analyze) ${name}`, parameters: [] }, LONGEST_STATEMENT_MS)
    }
    const after = await sizeOf(connection)
    await connection.close()
    return { before, after, notes: viewers === undefined ? [NOTE] : [noteOf(viewers), NOTE] }
  })
}

function noteOf(viewers: string): string {
  return `What was deleted while a transaction was open may have stayed (connections named ${viewers}): end that, then vacuum once more.`
}

async function sizeOf(connection: Connection): Promise<number> {
  const [row] = await rowsOf<{ bytes: number }>(
    connection,
    'select pg_database_size(current_database()) as bytes'
  )
  return row?.bytes ?? 0
}

function listTables(connection: Connection): Promise<Table[]> {
  return rowsOf(
    connection,
    `select oid::regclass::text as name, pg_total_relation_size(oid) as bytes from pg_class
      where relnamespace = current_schema()::regnamespace and relkind = 'r' order by 1`
  )
}
