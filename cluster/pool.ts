import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { type Exit, Member, type Report } from './member.ts'

/** Younger than this a death tells that the next one may come soon too. */
const YOUNG_MS = 10_000
const SHORTEST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000

/** Nobody joins a pool that ends. */
class PoolEnding extends Error {
  override readonly name = 'PoolEnding'
}

interface Options {
  size: number
  log: FastifyBaseLogger
  /** The variables of a worker, which joins others or comes first. */
  variablesOf(isJoining: boolean): Record<string, string>
  /** Learns of each that has ended. */
  onEnded?(member: Member): void
}

/** As many workers as there are to be: who dies is replaced, and all of them can be replaced without refusing a request. */
export class Pool {
  readonly #options: Options
  /** All that have not ended; those that serve are told apart from those that only finish what they have begun, the oldest first. */
  readonly #members = new Set<Member>()
  readonly #serving = new Set<Member>()
  #youngDeaths = 0
  #deaths = 0
  #isEnding = false
  #isRolling = false
  #isRollWanted = false

  constructor(options: Options) {
    this.#options = options
  }

  get isEnding(): boolean {
    return this.#isEnding
  }

  /** All that listen or have listened, the oldest that serves first. */
  get listening(): Member[] {
    const others = [...this.#members].filter((member) => member.hasListened && !this.#serving.has(member))
    return [...this.#serving, ...others]
  }

  get counts(): { serving: number; retiring: number; deaths: number } {
    const serving = this.#serving.size
    return { serving, retiring: this.listening.length - serving, deaths: this.#deaths }
  }

  /** Starts the first worker, which prepares the data, then the others; gives what it reports. Throws `WorkerFailed`. */
  async start(): Promise<Report> {
    const report = await (await this.#join()).listening
    await Promise.all(Array.from({ length: this.#options.size - 1 }, () => this.#join()))
    return report
  }

  /** Puts a new worker in the place of each, one after the other; asked for meanwhile, once more after that. */
  async roll(): Promise<void> {
    this.#isRollWanted = true
    if (this.#isRolling) return
    this.#isRolling = true
    while (this.#isRollWanted && !this.#isEnding) {
      this.#isRollWanted = false
      await this.#replaceAll()
    }
    this.#isRolling = false
  }

  /** Lets all workers finish their running requests; resolves when they are gone, and tells whether all ended well. */
  async end(): Promise<boolean> {
    this.#isEnding = true
    const members = [...this.#members]
    for (const member of members) member.order('end')
    const exits = await Promise.all(members.map(({ exited }) => exited))
    return exits.every(({ code }) => code === 0)
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const member of this.#members) member.kill()
  }

  async #replaceAll(): Promise<void> {
    const { log } = this.#options
    log.info({ event: 'roll_began' }, 'the workers are replaced')
    for (const old of [...this.#serving]) {
      if (!this.#serving.has(old) || this.#isEnding) continue
      try {
        await this.#join()
      } catch (error) {
        if (this.#isEnding) return
        const reason = (error as Error).message
        log.error({ event: 'roll_failed', reason }, 'the workers stay as they were')
        return
      }
    }
    log.info({ event: 'roll_ended' }, 'the workers are replaced')
  }

  /** One more that serves, in the place of the oldest if there are enough. Throws `WorkerFailed`. */
  async #join(): Promise<Member> {
    if (this.#isEnding) throw new PoolEnding()
    const isJoining = [...this.#members].some(({ hasListened }) => hasListened)
    const member = new Member(this.#options.variablesOf(isJoining))
    this.#members.add(member)
    member.exited.then((exit) => this.#onExit(member, exit))
    await member.listening
    this.#serving.add(member)
    // An order that comes while a worker still loads its modules is lost.
    if (this.#isEnding) member.order('end')
    const surplus = Math.max(0, this.#serving.size - this.#options.size)
    for (const oldest of [...this.#serving].slice(0, surplus)) this.#retire(oldest)
    return member
  }

  #retire(member: Member): void {
    this.#serving.delete(member)
    member.order('retire')
  }

  #onExit(member: Member, exit: Exit): void {
    this.#members.delete(member)
    this.#options.onEnded?.(member)
    const hasServed = this.#serving.delete(member)
    // Who was retired has ended as it should.
    if (hasServed || !member.hasListened)
      this.#youngDeaths = member.ageInMs < YOUNG_MS ? this.#youngDeaths + 1 : 0
    if (!hasServed || this.#isEnding) return
    this.#deaths += 1
    this.#options.log.error({ event: 'worker_died', worker: member.pid, ...exit }, 'a worker is replaced')
    this.#refill()
  }

  /** Tries until there is another worker, at growing intervals while they die young. */
  async #refill(): Promise<void> {
    while (true) {
      await sleep(this.#pause())
      if (this.#isEnding) return
      try {
        await this.#join()
        return
      } catch (error) {
        if (this.#isEnding) return
        this.#options.log.error(
          { event: 'worker_failed', reason: (error as Error).message },
          'a worker did not start'
        )
      }
    }
  }

  #pause(): number {
    if (this.#youngDeaths === 0) return 0
    return Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** (this.#youngDeaths - 1))
  }
}
