/** What both sides of a move are, where they are databases on a server. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely } from 'kysely'
import { asUnavailable, type Column, type MoveSide } from '../../moving/side.ts'
import type { MovedTable } from '../../moving/tables.ts'
import { DatabaseRefused } from '../../refusals.ts'
import type { Db, Tables } from '../../tables.ts'
import { Connection, serverOf } from '../connection.ts'
import { type Runner, RunnerDialect } from '../dialect.ts'
import { asRefusal } from '../errors.ts'
import { LONGEST_STATEMENT_MS, patientRunner } from '../upkeep/migrating.ts'

/** The connection of a process that was killed ends once the server has noticed. */
export const PATIENCE_MS = 2000
const LOOK_EVERY_MS = 50
const NAME = 'move'
/** As the connections of this service are named, also where the URL names the application otherwise. */
const OF_SERVICE = '^library-api | (reads|writes|listens|looks|migrations|move)$'

export async function refusing<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  let connection: Connection | undefined
  try {
    connection = await Connection.open(serverOf(url), { name: NAME })
    return await work(connection)
  } catch (error) {
    await connection?.close()
    throw asRefusal(error, url)
  }
}

export async function rowsOf<R>(
  connection: Connection,
  statement: string,
  ...parameters: unknown[]
): Promise<R[]> {
  const { rows } = await connection.run({ sql: statement, parameters }, LONGEST_STATEMENT_MS)
  return rows as R[]
}

/** No two servers are started in the same microsecond. */
export async function identityOf(connection: Connection): Promise<string> {
  const [row] = await rowsOf<{ identity: string }>(
    connection,
    `select extract(epoch from pg_postmaster_start_time())::text || ' ' || oid::text as identity from pg_database where datname = current_database()`
  )
  return row?.identity as string
}

export async function refuseUsed(connection: Connection, place: string): Promise<void> {
  const names = await staying(connection, 'application_name ~ $1', OF_SERVICE)
  if (names === undefined) return
  throw new DatabaseRefused(
    `${place} is in use (connections named ${names}): end the service with all its instances and scripts first, and what a pooler keeps open (RECONNECT in PgBouncer), then try again.`
  )
}

/** The names of other connections to the database of which this still holds after some time. */
export async function staying(
  connection: Connection,
  condition: string,
  ...parameters: unknown[]
): Promise<string | undefined> {
  for (const until = performance.now() + PATIENCE_MS; ; await sleep(LOOK_EVERY_MS)) {
    const [others] = await rowsOf<{ names: string | null }>(
      connection,
      `select string_agg(distinct coalesce(nullif(application_name, ''), backend_type, 'unknown'), ', ') as names from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and ${condition}`,
      ...parameters
    )
    if (!others?.names) return undefined
    if (performance.now() > until) return others.names
  }
}

export class ServerSide implements MoveSide {
  readonly place: string
  readonly identity: string
  readonly db: Db
  protected readonly connection: Connection
  readonly #url: string

  constructor(url: string, place: string, connection: Connection, identity: string) {
    this.place = place
    this.identity = identity
    this.connection = connection
    this.#url = url
    const patient = patientRunner(connection)
    const runner: Runner = { run: (statement) => this.explaining(patient.run(statement)) }
    this.db = new Kysely<Tables>({ dialect: new RunnerDialect(() => runner) })
  }

  columnsOf(table: string): Promise<Column[]> {
    return this.rowsOf(
      `select attname as name, attgenerated <> '' as "isGenerated" from pg_attribute
        where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum`,
      table
    )
  }

  async lastNumberOf(table: MovedTable): Promise<number> {
    const [key] = table.key
    const sequence = await this.sequenceOf(table)
    const given =
      sequence === undefined
        ? '0'
        : `(select case when is_called then last_value else 0 end from ${sequence})`
    const [row] = await this.rowsOf<{ last: number }>(
      `select greatest(${given}, (select coalesce(max(${key}), 0) from ${table.name})) as last`
    )
    return row?.last ?? 0
  }

  close(): Promise<void> {
    return this.connection.close()
  }

  protected rowsOf<R>(statement: string, ...parameters: unknown[]): Promise<R[]> {
    return this.explaining(rowsOf<R>(this.connection, statement, ...parameters))
  }

  protected async explaining<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw asUnavailable(error, asRefusal(error, this.#url))
    }
  }

  protected async sequenceOf({ name, key }: MovedTable): Promise<string | undefined> {
    const [row] = await this.rowsOf<{ name: string | null }>(
      'select pg_get_serial_sequence($1, $2) as name',
      name,
      key[0]
    )
    return row?.name ?? undefined
  }
}
