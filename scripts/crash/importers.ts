/** Clients that import files, each one after the other, until the service is gone. */
import { randomInt } from 'node:crypto'
import { ImportFile } from './import-file.ts'
import type { Journal } from './journal.ts'
import { type Client, tryAsk } from './requests.ts'

const ROWS_AT_FIRST = 300
/** One of so many files is imported in parts. */
const PARTIAL_OF = 4

/** One such client. */
export class Importer {
  readonly #journal: Journal
  /** Of its files. */
  readonly #mostRows: number

  constructor(journal: Journal, mostRows: number) {
    this.#journal = journal
    this.#mostRows = mostRows
  }

  /** Imports a first file. */
  async settle(client: Client): Promise<void> {
    await sendFile(this.#journal, client, new ImportFile(ROWS_AT_FIRST, 'all'))
  }

  /** Ends when the connection breaks; that, or a 5xx, leaves open what became of the last file. */
  async import(client: Client, onAnswer: () => void): Promise<void> {
    for (;;) {
      const rows = randomInt(this.#mostRows / 10, this.#mostRows)
      const file = new ImportFile(rows, randomInt(PARTIAL_OF) === 0 ? 'partial' : 'all')
      const isAnswered = await sendFile(this.#journal, client, file)
      if (!isAnswered) return
      onAnswer()
    }
  }
}

/** Sends the file; whether it was answered. */
export async function sendFile(journal: Journal, client: Client, file: ImportFile): Promise<boolean> {
  journal.files.add(file)
  for (const life of file.rows) {
    journal.lives.add(life)
    life.pending = [{ operation: 'created', content: life.content }]
  }
  const answer = await tryAsk(client, file.call)
  if (answer === undefined) {
    journal.unknown += 1
    return false
  }
  file.isAcknowledged = file.isCreatedBy(answer)
  if (file.isAcknowledged) journal.acknowledged += 1
  else journal.addFault(`${file.label} was answered ${answer.status}: ${answer.text}`)
  return true
}
