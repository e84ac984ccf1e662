import type { Family, Sample } from '../plugins/metrics/instruments.ts'
import { processFamilies } from '../plugins/metrics/process.ts'
import type { Member } from './member.ts'
import type { Pool } from './pool.ts'

/**
 * The metrics of all workers together. What grows must never fall, which would be taken for a restart: the counts of workers that have
 * ended stay, and one that does not answer in time is as it was when it last did.
 */
export class Scrapes {
  readonly #pool: Pool
  /** Of those that have ended, by name. */
  readonly #ended = new Map<string, Family>()

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** The metrics of each process: of this one, of those that have ended, then of the workers, the one that was asked about the whole service first. */
  async collect(): Promise<Family[][]> {
    const asked = this.#pool.listening
    await Promise.all(asked.map((member, index) => member.askMetrics(index === 0 ? 'all' : 'own')))
    const own = [...this.#ownFamilies(), ...(await processFamilies())]
    // In one moment: a worker that has ended meanwhile is among the others, and must not count twice.
    return [own, [...this.#ended.values()], ...this.#pool.listening.map(({ metrics }) => metrics)]
  }

  /** Keeps what this worker has counted. */
  keepCounts({ metrics }: Member): void {
    for (const family of metrics) {
      if (family.type === 'gauge') continue
      const before = this.#ended.get(family.name)
      const values = before === undefined ? family.values : added(before.values, family.values)
      this.#ended.set(family.name, { ...family, values })
    }
  }

  #ownFamilies(): Family[] {
    const { serving, retiring, deaths } = this.#pool.counts
    return [
      {
        name: 'library_workers',
        help: 'Worker processes that serve, and those that only finish what they have begun.',
        type: 'gauge',
        aggregator: 'sum',
        values: [
          { labels: { state: 'serving' }, value: serving },
          { labels: { state: 'retiring' }, value: retiring }
        ]
      },
      {
        name: 'library_worker_deaths_total',
        help: 'Worker processes that died, and were replaced.',
        type: 'counter',
        aggregator: 'sum',
        values: [{ labels: {}, value: deaths }]
      }
    ]
  }
}

function added(some: readonly Sample[], others: readonly Sample[]): Sample[] {
  const byKey = new Map(some.map((sample) => [keyOf(sample), sample]))
  for (const sample of others) {
    const value = (byKey.get(keyOf(sample))?.value ?? 0) + sample.value
    byKey.set(keyOf(sample), { ...sample, value })
  }
  return [...byKey.values()]
}

function keyOf({ metricName = '', labels }: Sample): string {
  return JSON.stringify([metricName, labels])
}
