import { Connection, type Result, type Server } from './connection.ts'
import { isLost } from './errors.ts'

interface Statement {
  sql: string
  parameters: readonly unknown[]
}

const LONGEST_READ_MS = 30_000
/** Behind so many statements on one connection it is worth to open another. */
const FEW_PENDING = 16

/** Some connections for reading, each with many statements under way. What a lost connection leaves without an answer is asked once more. */
export class ReadPool {
  readonly #server: Server
  readonly #most: number
  readonly #open: Connection[] = []
  #opening: Promise<Connection> | undefined
  #isClosed = false

  constructor(server: Server, most: number) {
    this.#server = server
    this.#most = most
  }

  async run(statement: Statement): Promise<Result> {
    try {
      return await (this.#least() ?? (await this.#another())).run(statement, LONGEST_READ_MS)
    } catch (error) {
      if (this.#isClosed || !isLost(error)) throw error
      return (this.#least() ?? (await this.#another())).run(statement, LONGEST_READ_MS)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opening?.catch(() => {})
    await Promise.all(this.#open.map((connection) => connection.close()))
  }

  /** The connection on which the fewest statements wait, unless there is none. */
  #least(): Connection | undefined {
    let least: Connection | undefined
    for (const connection of this.#open) {
      if (!connection.isLost && (least === undefined || connection.pending < least.pending))
        least = connection
    }
    if (least !== undefined && least.pending > FEW_PENDING && this.#open.length < this.#most) {
      this.#another().catch(() => {})
    }
    return least
  }

  #another(): Promise<Connection> {
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #connect(): Promise<Connection> {
    const connection = await Connection.open(this.#server, { pipeline: true, name: 'reads' })
    this.#open.push(connection)
    connection.onLost(() => this.#open.splice(this.#open.indexOf(connection), 1))
    if (this.#isClosed) await connection.close()
    return connection
  }
}
