import pg from 'pg'
import { DatabaseUnavailable } from '../refusals.ts'

const BIGINT = 20
const NUMERIC = 1700
const CONNECT_TIMEOUT_MS = 5000
/** With more at a time, as by filters in all combinations, the server would have to keep them all. */
const MOST_PREPARED = 1000

/** Numbers come as numbers; none of ours has more than 53 bits. */
const types = new pg.TypeOverrides()
types.setTypeParser(BIGINT, Number)
types.setTypeParser(NUMERIC, Number)

/** How connections are made. */
export interface Server {
  url: string
  /** False behind a pooler that gives each transaction another connection, and knows no prepared statements. */
  prepares: boolean
}

/** Reads what is ours of a `DATABASE_URL`: `?prepare=off`; the rest is the driver's (https://node-postgres.com/features/connecting). */
export function serverOf(databaseUrl: string): Server {
  const url = new URL(databaseUrl)
  const prepares = url.searchParams.get('prepare') !== 'off'
  url.searchParams.delete('prepare')
  return { url: url.href, prepares }
}

interface Statement {
  sql: string
  parameters: readonly unknown[]
}

export interface Result {
  command: string
  rowCount: number | null
  rows: unknown[]
}

/** One connection. Once it is lost it stays so, so that no statement of a transaction ever runs outside of it. */
export class Connection {
  readonly #client: pg.Client
  readonly #prepares: boolean
  readonly #names = new Map<string, string>()
  #pending = 0
  #lost: Error | undefined

  private constructor(client: pg.Client, prepares: boolean) {
    this.#client = client
    this.#prepares = prepares
    client.on('error', (error) => this.#lose(error))
    client.on('end', () => this.#lose(new DatabaseUnavailable('the connection to the database ended')))
  }

  /** With `pipeline` statements are sent without waiting for the answers of those before them. */
  static async open(
    { url, prepares }: Server,
    { pipeline = false, name }: { pipeline?: boolean; name: string }
  ): Promise<Connection> {
    const client = new pg.Client({
      connectionString: url,
      application_name: `library-api ${name}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5000,
      pipeline,
      types
    } as pg.ClientConfig)
    const connection = new Connection(client, prepares)
    await client.connect()
    return connection
  }

  get isLost(): boolean {
    return this.#lost !== undefined
  }

  /** How many statements wait for their answers. */
  get pending(): number {
    return this.#pending
  }

  /** Runs one statement; with a timeout, in milliseconds, the connection is given up when no answer comes within it. */
  async run({ sql, parameters }: Statement, timeout?: number): Promise<Result> {
    if (this.#lost !== undefined) throw new DatabaseUnavailable(this.#lost.message)
    this.#pending += 1
    try {
      return await this.#client.query({
        ...this.#named(sql),
        text: sql,
        values: parameters as unknown[],
        ...(timeout !== undefined && { query_timeout: timeout })
      })
    } finally {
      this.#pending -= 1
    }
  }

  /** Several statements without parameters in one round trip; gives the result of the last. */
  async runAll(statements: string[]): Promise<Result> {
    if (this.#lost !== undefined) throw new DatabaseUnavailable(this.#lost.message)
    const results = (await this.#client.query(statements.join('; '))) as unknown as Result | Result[]
    return Array.isArray(results) ? (results.at(-1) as Result) : results
  }

  /** Calls `hear` whenever something is sent on this channel. */
  async listen(channel: string, hear: () => void): Promise<void> {
    this.#client.on('notification', hear)
    await this.runAll([`listen ${channel}`])
  }

  onLost(callback: () => void): void {
    this.#client.once('end', callback)
  }

  async close(): Promise<void> {
    this.#lose(new DatabaseUnavailable('the database is closed'))
    await this.#client.end().catch(() => {})
  }

  #lose(error: Error): void {
    this.#lost ??= error
  }

  #named(sql: string): { name?: string } {
    if (!this.#prepares) return {}
    const known = this.#names.get(sql)
    if (known !== undefined) return { name: known }
    if (this.#names.size >= MOST_PREPARED) return {}
    const name = `s${this.#names.size + 1}`
    this.#names.set(sql, name)
    return { name }
  }
}
