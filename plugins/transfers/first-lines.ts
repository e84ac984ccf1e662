import { heldUnderAnotherName, type Outcome } from '../../db/authors/importing.ts'
import type { PreparedRow } from '../../db/authors/prepared-row.ts'
import type { Scheme } from '../../db/authors/table.ts'

/** Bounded, so that the memory of an import does not grow with its file. */
const MOST = 100_000

/**
 * In which line of a file an identifier came first. Rows that are created some at a time meet each other in the catalogue, which knows
 * no lines.
 */
export class FirstLines {
  readonly #lines = new Map<string, number>()

  /** What became of the rows; of one that another row is in the way of, with that one's line. */
  name(rows: readonly PreparedRow[], outcomes: readonly Outcome[]): Outcome[] {
    return outcomes.map((outcome, index) => {
      const row = rows[index] as PreparedRow
      if (typeof outcome !== 'string') return this.#nameIn(outcome, row)
      this.#note(row)
      return outcome
    })
  }

  #note({ line, identifiers }: PreparedRow): void {
    for (const [scheme, value] of Object.entries(identifiers)) {
      const identifier = `${scheme} ${value}`
      const isNew = value !== null && !this.#lines.has(identifier)
      if (isNew && this.#lines.size < MOST) this.#lines.set(identifier, line)
    }
  }

  #nameIn(refusal: Exclude<Outcome, string>, { identifiers }: PreparedRow): Outcome {
    const scheme = refusal.pointer.replace('/identifiers/', '') as Scheme
    const line = this.#lines.get(`${scheme} ${identifiers[scheme]}`)
    return line === undefined ? refusal : { ...refusal, detail: heldUnderAnotherName({ line }) }
  }
}
