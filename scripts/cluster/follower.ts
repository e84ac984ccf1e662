import { setTimeout as sleep } from 'node:timers/promises'
import type { Journal } from '../crash/journal.ts'
import type { Change } from '../crash/life.ts'
import type { Client } from '../crash/requests.ts'
import { until } from './postgres.ts'

const PAUSE_MS = 50

/** A client that follows the stream of changes, on one instance after another as its streams end, and keeps all that it has seen. */
export class Follower {
  readonly #journal: Journal
  readonly #client: Client
  readonly #changes = new Map<number, string>()
  #last = 0
  readonly #end = new AbortController()

  constructor(journal: Journal, client: Client) {
    this.#journal = journal
    this.#client = client
  }

  /** Ends after `end`. */
  async follow(): Promise<void> {
    // A stream that breaks, or cannot be opened now, is opened again where it has stopped.
    while (!this.#end.signal.aborted) await this.#readStream().catch(() => sleep(PAUSE_MS))
  }

  end(): void {
    this.#end.abort()
  }

  /** What came as it happened is what the feed says now. */
  async compare(feed: readonly Change[]): Promise<void> {
    const last = feed.at(-1)?.sequence ?? 0
    await until(() => this.#last >= last, `the stream has stopped at change ${this.#last}, not ${last}`)
    for (const change of feed) {
      const seen = this.#changes.get(change.sequence)
      if (seen !== JSON.stringify(change))
        this.#journal.addFault(
          `the stream ${seen === undefined ? 'has skipped' : 'said otherwise of'} change ${change.sequence}`
        )
      this.#changes.delete(change.sequence)
    }
    for (const sequence of this.#changes.keys())
      if (sequence <= last)
        this.#journal.addFault(`the stream told of change ${sequence}, which is not in the feed`)
  }

  async #readStream(): Promise<void> {
    const { url, headers } = this.#client
    const { signal } = this.#end
    const answer = await fetch(`${url}/changes/stream?since=${this.#last}`, { headers, signal })
    if (!answer.ok || answer.body === null) throw new Error(await answer.text())
    let text = ''
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const events = (text + chunk).split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) this.#take(event)
    }
  }

  #take(event: string): void {
    const data = /^data: (.+)$/m.exec(event)?.[1]
    if (data === undefined) return
    const { sequence } = JSON.parse(data) as Change
    if (sequence <= this.#last)
      this.#journal.addFault(`the stream told of change ${sequence} after ${this.#last}`)
    this.#last = sequence
    this.#changes.set(sequence, JSON.stringify(JSON.parse(data)))
  }
}
