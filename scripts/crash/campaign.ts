import { type Headers, type Service, signIn, spawnService, startService } from '../service-process.ts'
import { Comparison } from './comparison.ts'
import { Journal } from './journal.ts'
import { killDuring, killOpening } from './killing.ts'
import { type Client, read } from './requests.ts'
import { Visitor } from './visitors.ts'
import { Writer } from './writers.ts'

const WRITERS = 100
const VISITORS = 3
/** One login must do for all rounds, and registrations come from any address. */
const VARIABLES = { ACCESS_TOKEN_TTL: '86400', TRUST_PROXY: 'loopback' }

/** What a round is to do beside killing during writes. */
export interface Plan {
  /** Kill in a checkpoint. */
  inCheckpoint: boolean
  /** Kill again while the service starts. */
  whileOpening: boolean
  isLast: boolean
}

/** The same clients against one database, round after round. */
export class Campaign {
  readonly journal = new Journal()
  readonly visitors = Array.from({ length: VISITORS }, () => new Visitor(this.journal))
  readonly #writers = Array.from({ length: WRITERS }, () => new Writer(this.journal))
  readonly #databaseFile: string
  readonly #headers: Headers
  readonly #comparison: Comparison
  #service: Service

  private constructor(databaseFile: string, service: Service, headers: Headers, userId: string) {
    this.#databaseFile = databaseFile
    this.#service = service
    this.#headers = headers
    this.#comparison = new Comparison(this.journal, databaseFile, [userId])
  }

  /** Starts the service, and makes the accounts that the clients begin with. */
  static async begin(databaseFile: string): Promise<Campaign> {
    const service = await startService(databaseFile, VARIABLES)
    try {
      const { authorization = '' } = await signIn(service.url)
      const me = await read<{ id: string }>({ url: service.url, headers: { authorization } }, '/me')
      const campaign = new Campaign(databaseFile, service, { authorization }, me.id)
      await Promise.all(campaign.visitors.map((visitor) => visitor.settle(campaign.#client)))
      return campaign
    } catch (error) {
      await service.end('SIGKILL')
      throw error
    }
  }

  get #client(): Client {
    return { url: this.#service.url, headers: this.#headers }
  }

  /** Has the clients write until the service is killed; tells whether that was in a checkpoint. */
  async crash({ inCheckpoint }: Plan): Promise<boolean> {
    const client = this.#client
    return killDuring(this.#service, this.#databaseFile, inCheckpoint, (onAnswer) =>
      Promise.all([
        ...this.#writers.map((writer) => writer.write(client, onAnswer)),
        ...this.visitors.map((visitor) => visitor.visit(client, onAnswer))
      ])
    )
  }

  /** Starts the service again, at the second try if so planned; tells whether that one was needed. */
  async restart({ whileOpening }: Plan): Promise<boolean> {
    const wasKilled =
      whileOpening && (await killOpening(spawnService(this.#databaseFile, VARIABLES), this.#databaseFile))
    this.#service = await startService(this.#databaseFile, VARIABLES)
    return wasKilled
  }

  /** Compares what is there with what the clients were told. */
  async compare({ isLast }: Plan): Promise<void> {
    await this.#comparison.run(this.#client, isLast)
  }

  async end(): Promise<void> {
    await this.#service.end('SIGKILL')
  }
}
