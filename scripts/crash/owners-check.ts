/** The authors of accounts that are deleted, or may be, against what became of the accounts. */
import type { Account } from './account.ts'
import type { Journal } from './journal.ts'
import type { Life } from './life.ts'

/** Compares after each restart, once it is known which accounts are deleted, and what each author is. */
export class OwnersCheck {
  readonly #journal: Journal

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** A deletion takes all its authors from their owner, and else nothing does. */
  compare(): void {
    for (const account of this.#touched()) {
      const owner = account.isDeleted ? null : account.id
      for (const life of account.authors) {
        if (life.isTrusted && life.author !== null && life.author.owner_id !== owner)
          this.#tell(life, account)
      }
    }
  }

  /** Whether a deletion had begun before that time and was finished after it. */
  wasCutShort(at: string): boolean {
    return this.#touched().some(({ isDeleted, authors }) => {
      return isDeleted && authors.some(({ author }) => author !== null && author.updated_at > at)
    })
  }

  #touched(): Account[] {
    return [...this.#journal.touchedAccounts].filter(({ authors }) => authors.length > 0)
  }

  #tell(life: Life, { label, isDeleted }: Account): void {
    const told = isDeleted ? 'has its owner still' : 'has lost its owner'
    this.#journal.distrust(life, `owner: ${life.label} of ${isDeleted ? 'the deleted ' : ''}${label} ${told}`)
  }
}
