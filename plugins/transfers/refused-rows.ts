import type { FieldError } from '../../schemas/errors.ts'
import type { ImportReason, RefusedRow } from '../../schemas/transfers.ts'

const ERRORS_LISTED = 100
const REASONS_LISTED = 50
/** More than are listed, so that a reason which comes late and often is among them. */
const REASONS_COUNTED = 1000
const OTHERS = 'other reasons'

/** What only one row has, beside numbers. */
const OF_ONE_ROW: [RegExp, string][] = [
  [/"[^"]*"/g, '"…"'],
  [/\/authors\/[^\s,;:()]+/g, '/authors/…'],
  [/U\+[\dA-F]+/g, 'U+…']
]
const NUMBER = /-?\d+(?:\.\d+)?/
/** A number after it is that of all rows. */
const BOUND = /^(?:than|most|least|to|[<>]=?)$/
/** From here on a detail tells what is expected, which is the same for all rows. */
const EXPECTED = '; expected: '

/** Counts the rows of an import that are refused, by their reasons, in memory that does not grow with the file. */
export class RefusedRows {
  /** Of the rows the first, in their order. */
  readonly errors: RefusedRow[] = []
  count = 0
  #reasons = new Map<string, ImportReason>()
  #forgotten = 0

  /** The rows come in the order of their lines. */
  add(line: number, errors: readonly FieldError[]): void {
    this.count += 1
    for (const error of errors) {
      if (this.errors.length < ERRORS_LISTED) this.errors.push({ line, ...error })
      this.#countReason({ line, ...error })
    }
  }

  /** The most frequent first; what is left over is one reason by itself. */
  reasons(): ImportReason[] {
    const sorted = this.#sorted()
    const isListed = sorted.length <= REASONS_LISTED && this.#forgotten === 0
    const listed = isListed ? sorted : sorted.slice(0, REASONS_LISTED - 1)
    const others = sorted.slice(listed.length).reduce((sum, { count }) => sum + count, this.#forgotten)
    const example = sorted.at(-1)?.example as RefusedRow
    return others === 0 ? listed : [...listed, { reason: OTHERS, pointer: '', count: others, example }]
  }

  #countReason(example: RefusedRow): void {
    const { pointer, detail } = example
    const reason = reasonOf(detail)
    const key = `${pointer} ${reason}`
    const known = this.#reasons.get(key)
    if (known !== undefined) known.count += 1
    else {
      if (this.#reasons.size === REASONS_COUNTED) this.#forgetRareOnes()
      this.#reasons.set(key, { reason, pointer, count: 1, example })
    }
  }

  #forgetRareOnes(): void {
    const sorted = this.#sorted()
    const rare = sorted.splice(REASONS_COUNTED / 2)
    this.#forgotten = rare.reduce((sum, { count }) => sum + count, this.#forgotten)
    this.#reasons = new Map(sorted.map((reason) => [`${reason.pointer} ${reason.reason}`, reason]))
  }

  #sorted(): ImportReason[] {
    return [...this.#reasons.values()].sort((a, b) => b.count - a.count)
  }
}

/** A detail without what only this row has, so that rows which are refused alike are counted together. */
export function reasonOf(detail: string): string {
  const at = detail.indexOf(EXPECTED)
  const [own, expected] = at === -1 ? [detail, ''] : [detail.slice(0, at), detail.slice(at)]
  const texts = OF_ONE_ROW.reduce((text, [own, one]) => text.replace(own, one), own.replaceAll('\\"', ''))
  return texts.split(' ').map(withoutNumber).join(' ') + expected
}

function withoutNumber(word: string, index: number, words: string[]): string {
  return /\p{L}/u.test(word) || BOUND.test(words[index - 1] ?? '') ? word : word.replace(NUMBER, '…')
}
