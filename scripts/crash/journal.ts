import type { Account } from './account.ts'
import type { ImportFile } from './import-file.ts'
import type { Life } from './life.ts'

export interface Counts {
  /** Requests that were answered 2xx. */
  acknowledged: number
  /** Requests that were not answered. */
  unknown: number
  /** Authors, accounts and sessions of which something is missing that was acknowledged. */
  lost: number
}

/** What the clients of all rounds were told, and what turned out to be otherwise. */
export class Journal {
  /** The authors whose creation was sent, answered or not. */
  readonly lives = new Set<Life>()
  /** Those that are looked at in every way after the next restart. */
  readonly touched = new Set<Life>()
  /** The files that were sent since the last restart. */
  readonly files = new Set<ImportFile>()
  /** The accounts whose registration was sent, answered or not. */
  readonly accounts = new Set<Account>()
  /** Those of which something was asked since the last restart. */
  readonly touchedAccounts = new Set<Account>()
  acknowledged = 0
  unknown = 0
  readonly #faults: string[] = []
  readonly #lost = new Set<string>()
  readonly #foreign = new Set<string>()

  get faults(): readonly string[] {
    return this.#faults
  }

  get counts(): Counts {
    return { acknowledged: this.acknowledged, unknown: this.unknown, lost: this.#lost.size }
  }

  /** Gives what tells how much has come since. */
  report(): () => { counts: Counts; faults: readonly string[] } {
    const before = this.counts
    const faultsBefore = this.#faults.length
    return () => {
      const { acknowledged, unknown, lost } = this.counts
      const counts = {
        acknowledged: acknowledged - before.acknowledged,
        unknown: unknown - before.unknown,
        lost: lost - before.lost
      }
      return { counts, faults: this.#faults.slice(faultsBefore) }
    }
  }

  addFault(fault: string): void {
    this.#faults.push(fault)
  }

  addLost(what: string, missing: string): void {
    this.#lost.add(what)
    this.addFault(`lost: ${missing} of ${what}`)
  }

  /** Tells that something of an author is gone, of which no more is asked then, because one fault would bring others. */
  lose(life: Life, missing: string): void {
    if (life.isTrusted) this.addLost(life.label, missing)
    life.isTrusted = false
  }

  /** Tells what is wrong with an author, of which no more is asked then. */
  distrust(life: Life, fault: string): void {
    if (!life.isTrusted) return
    life.isTrusted = false
    this.addFault(fault)
  }

  /** Tells once of what is there and was never sent. */
  addForeign(id: string): void {
    if (this.#foreign.has(id)) return
    this.#foreign.add(id)
    this.addFault(`not as it was sent: ${id}`)
  }

  /** Forgets what was touched since the last restart, and the authors that were never created. */
  endRound(): void {
    for (const life of this.lives) if (life.id === undefined) this.lives.delete(life)
    this.touched.clear()
    this.files.clear()
    this.touchedAccounts.clear()
  }
}
