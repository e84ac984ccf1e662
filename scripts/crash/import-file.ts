import { Life, randomContent, randomWord } from './life.ts'
import type { Answer, Call } from './requests.ts'

export type Mode = 'all' | 'partial'

/** A file of authors that nobody else writes, and what its client was told of it. */
export class ImportFile {
  readonly mode: Mode
  /** It is in the book of each of its authors, and nowhere else. */
  readonly word = randomWord()
  readonly rows: readonly Life[]
  isAcknowledged = false

  constructor(size: number, mode: Mode) {
    this.mode = mode
    this.rows = Array.from({ length: size }, () => new Life(this.#randomRow()))
  }

  /** What it is called in faults. */
  get label(): string {
    return `import ${this.word}`
  }

  get call(): Call {
    return {
      method: 'POST',
      path: `/authors/import?mode=${this.mode}`,
      headers: { 'content-type': 'application/x-ndjson' },
      body: this.rows.map(({ content }) => JSON.stringify(content)).join('\n')
    }
  }

  /** Whether the answer says that all rows were created. */
  isCreatedBy({ status, text }: Answer): boolean {
    return status === 200 && JSON.parse(text).created === this.rows.length
  }

  /** With an empty note, so that thousands are quickly sent and read. */
  #randomRow() {
    return { ...randomContent(), book: `Kill ${this.word} ${randomWord()}`, note: '' }
  }
}
