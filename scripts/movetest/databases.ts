import pg from 'pg'

/** Makes databases on a server, and takes them away. */
export class Databases {
  readonly #client: pg.Client
  readonly #url: string
  readonly #names: string[] = []

  private constructor(client: pg.Client, url: string) {
    this.#client = client
    this.#url = url
  }

  static async on(url: string): Promise<Databases> {
    const client = new pg.Client(url)
    await client.connect()
    return new Databases(client, url)
  }

  /** The `DATABASE_URL` of another one. */
  async create(): Promise<string> {
    const name = `library_movetest_${process.pid}_${this.#names.length}`
    await this.#client.query(`create database ${name} template template0`)
    this.#names.push(name)
    const url = new URL(this.#url)
    url.pathname = `/${name}`
    return url.href
  }

  async dropAll(): Promise<void> {
    for (const name of this.#names) await this.#client.query(`drop database ${name} with (force)`)
  }

  close(): Promise<void> {
    return this.#client.end()
  }
}
