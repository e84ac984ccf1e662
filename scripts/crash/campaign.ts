import { type Headers, type Service, signIn, spawnService, startService } from '../service-process.ts'
import { Comparison } from './comparison.ts'
import { Importer } from './importers.ts'
import { Journal } from './journal.ts'
import type { Moment } from './killer.ts'
import { killDuring, killOpening } from './killing.ts'
import { Leaver } from './leavers.ts'
import { type Place, settingsOf, startOnNew } from './place.ts'
import { type Client, read } from './requests.ts'
import { connectionsEnding } from './server-connections.ts'
import { Visitor } from './visitors.ts'
import { Writer } from './writers.ts'

const VISITORS = 3
const LEAVERS = 3
/** An importer for each, so that the imports are of all sizes. */
const MOST_ROWS = [20, 200, 2000]
/** One login must do for all rounds, and registrations come from any address. */
const VARIABLES = { ACCESS_TOKEN_TTL: '86400', TRUST_PROXY: 'loopback' }

interface Options {
  place: Place
  /** How many clients write single authors. */
  writers: number
}

/** What a round is to do beside killing during writes. */
export interface Plan {
  /** Kill then, or without one after some answers. */
  moment: Moment | undefined
  /** Kill again while the service starts. */
  whileOpening: boolean
  isLast: boolean
}

/** The same clients against one database, round after round. */
export class Campaign {
  readonly journal = new Journal()
  readonly visitors = Array.from({ length: VISITORS }, () => new Visitor(this.journal))
  readonly #writers: Writer[]
  readonly #importers = MOST_ROWS.map((rows) => new Importer(this.journal, rows))
  readonly #leavers = Array.from({ length: LEAVERS }, () => new Leaver(this.journal))
  readonly #place: Place
  readonly #headers: Headers
  readonly #comparison: Comparison
  #service: Service
  #killedAt = ''

  private constructor({ place, writers }: Options, service: Service, headers: Headers, userId: string) {
    this.#place = place
    this.#service = service
    this.#writers = Array.from({ length: writers }, () => new Writer(this.journal))
    this.#headers = headers
    this.#comparison = new Comparison(this.journal, place, [userId])
  }

  /** Starts the service, and makes the accounts that the clients begin with. */
  static async begin(options: Options): Promise<Campaign> {
    const service = await startOnNew(options.place, VARIABLES)
    try {
      const { authorization = '' } = await signIn(service.url)
      const me = await read<{ id: string }>({ url: service.url, headers: { authorization } }, '/me')
      const campaign = new Campaign(options, service, { authorization }, me.id)
      await campaign.#settle()
      return campaign
    } catch (error) {
      await service.end('SIGKILL')
      throw error
    }
  }

  get #client(): Client {
    return { url: this.#service.url, headers: this.#headers }
  }

  /** Has something acknowledged of each kind. */
  async #settle(): Promise<void> {
    const client = this.#client
    const clients = [...this.visitors, ...this.#importers, ...this.#leavers.slice(0, 1)]
    await Promise.all(clients.map((one) => one.settle(client)))
  }

  /** Has the clients write until the service is killed; gives at what moments that was. */
  async crash({ moment }: Plan): Promise<Moment[]> {
    const client = this.#client
    const moments = await killDuring(this.#service, this.#place, moment, (signals) =>
      Promise.all([
        ...this.#writers.map((writer) => writer.write(client, signals.onAnswer)),
        ...this.visitors.map((visitor) => visitor.visit(client, signals.onAnswer)),
        ...this.#importers.map((importer) => importer.import(client, signals.onAnswer)),
        ...this.#leavers.map((leaver) => leaver.leave(client, signals))
      ])
    )
    this.#killedAt = new Date().toISOString()
    return moments
  }

  /** Starts the service again, at the second try if so planned; tells whether that one was needed. */
  async restart({ whileOpening }: Plan): Promise<boolean> {
    const { databaseUrl } = this.#place
    const variables = { ...VARIABLES, ...settingsOf(this.#place) }
    const wasKilled = whileOpening && (await killOpening(spawnService(databaseUrl, variables), this.#place))
    const formerConnectionsEnded = await connectionsEnding(this.#place)
    this.#service = await startService(databaseUrl, variables)
    await formerConnectionsEnded()
    return wasKilled
  }

  /** Compares what is there with what the clients were told; gives what more was cut short by the kill. */
  async compare({ isLast }: Plan): Promise<Moment[]> {
    const wasDeleting = await this.#comparison.run(this.#client, this.#killedAt, isLast)
    return wasDeleting ? ['deleting'] : []
  }

  async end(): Promise<void> {
    await this.#service.end('SIGKILL')
  }
}
