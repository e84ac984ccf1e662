import { Kysely } from 'kysely'
import type { Call } from '../../command.ts'
import { type Foreseen, foresee } from '../../door.ts'
import type { ReadDb, Tables } from '../../tables.ts'
import { RunnerDialect } from '../dialect.ts'
import type { Transaction } from '../transaction.ts'

/** More are seldom run before the time of their batch is over. */
const CALLS_AT_ONCE = 8
/** What changes nobody's session, key or role, and no answer that is kept. */
const HARMLESS =
  /^\s*(insert into|update|delete from) "?(authors|author_words|changes)"?\s|^\s*insert into "?idempotency_keys"?\s/

/**
 * What the door asks for first, asked for some calls of a batch together: each would wait for two answers of the server by itself. What one call of
 * the batch writes may make it wrong for the next, which then ask again.
 */
export class Foresight {
  readonly #calls: readonly Call[]
  readonly #db: ReadDb
  readonly #foreseen = new Map<Call, Foreseen>()
  /** Up to this index it has asked. */
  #next = 0

  /** Those that are run in this transaction, in their order. */
  constructor(transaction: Transaction, calls: readonly Call[]) {
    this.#calls = calls
    this.#db = new Kysely<Tables>({ dialect: new RunnerDialect(() => transaction) })
  }

  /** Of the call at this index, which is run next; undefined where it must ask itself. */
  async at(index: number): Promise<Foreseen | undefined> {
    if (index >= this.#next) await this.#look(index)
    return this.#foreseen.get(this.#calls[index] as Call)
  }

  /** To be called with whatever is written. */
  noteWrite(sql: string): void {
    if (!HARMLESS.test(sql)) this.#foreseen.clear()
  }

  async #look(index: number): Promise<void> {
    this.#next = index + CALLS_AT_ONCE
    this.#foreseen.clear()
    const calls = this.#calls.slice(index, this.#next)

    if (calls.length === 1) return
    const found = await Promise.all(calls.map((call) => foresee(this.#db, call)))
    const keys = new Set<string>()
    for (const [index, call] of calls.entries()) {
      // What the first one is answered will be kept for the second.
      const key = `${call.credential?.id} ${call.form?.once?.key}`
      if (!keys.has(key)) this.#foreseen.set(call, found[index] as Foreseen)
      if (call.form?.once !== undefined) keys.add(key)
    }
  }
}
