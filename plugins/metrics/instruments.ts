/** What is counted, and what is looked at when somebody asks, as plain data: nothing here knows who collects it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'

/** Who asks has not much longer to wait. */
const LONGEST_READ_MS = 2500

export interface Sample {
  value: number
  labels: Record<string, string | number>
  /** Of a histogram, whose samples have several names. */
  metricName?: string
}

/** How one number is made of those of several processes. */
export type Aggregator = 'sum' | 'min' | 'max' | 'first'

/** All samples of one metric in one process. */
export interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  values: Sample[]
  aggregator: Aggregator
}

export interface About {
  name: string
  help: string
}

/** Of a gauge: what `read` gives is a number, or one for each value of `label`. */
export interface AboutGauge extends About {
  label?: string
  /** That are always the same. */
  labels?: Record<string, string>
  /** How one is made of those of several processes; their sum, unless told. */
  aggregator?: Aggregator
  /** All processes would see the same, so that one of them is asked. */
  isOfService?: boolean
}

/** Undefined, and what `read` throws, is a number that is not known now. */
export type Reading = number | undefined | Readonly<Record<string, number | undefined>>
type Read = () => Reading | Promise<Reading>

/** A number that only grows. */
export class Count {
  value = 0

  add(more = 1): void {
    this.value += more
  }
}

/** How often values were not above each of some bounds, which ascend. */
export class Distribution {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let index = 0
    while (index < bounds.length && value > (bounds[index] as number)) index += 1
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.#sum += value
  }

  samples(name: string, labels: Record<string, string> = {}): Sample[] {
    let count = 0
    const buckets = this.#counts.map((more, index) => {
      count += more
      return {
        metricName: `${name}_bucket`,
        labels: { ...labels, le: this.#bounds[index] ?? '+Inf' },
        value: count
      }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count }
    ]
  }
}

interface Source {
  isOfService: boolean
  /** What is not known when it is `late` is left out. */
  read(late: Promise<undefined>): Family | Promise<Family>
}

/** All that one process has to tell. To count costs an addition, whether somebody asks or not. */
export class Instruments {
  /** Learns of a request that was answered before any hook could see it. */
  noteUnrouted: (method: string, status: number) => void = () => {}
  readonly #log: FastifyBaseLogger
  readonly #longestReadMs: number
  readonly #sources: Source[] = []
  readonly #others: (() => Promise<Family[]>)[] = []

  constructor(log: FastifyBaseLogger, longestReadMs = LONGEST_READ_MS) {
    this.#log = log
    this.#longestReadMs = longestReadMs
  }

  /** Makes a number that only grows. */
  count(about: About): Count {
    const count = new Count()
    this.add({ ...about, type: 'counter' }, () => [{ labels: {}, value: count.value }])
    return count
  }

  /** Makes one for each value of a label; there are no others, so that nobody can make more of them. */
  countBy<Value extends string>(about: About, label: string, values: readonly Value[]): Record<Value, Count> {
    const counts = values.map((value) => [value, new Count()] as const)
    this.add({ ...about, type: 'counter' }, () =>
      counts.map(([value, count]) => ({ labels: { [label]: value }, value: count.value }))
    )
    return Object.fromEntries(counts) as Record<Value, Count>
  }

  /** Makes a histogram with these bounds. */
  distribution(about: About, bounds: readonly number[]): Distribution {
    const distribution = new Distribution(bounds)
    this.add({ ...about, type: 'histogram' }, () => distribution.samples(about.name))
    return distribution
  }

  /** Has `read` asked for what goes up and down, whenever somebody asks. */
  gauge(about: AboutGauge, read: Read): void {
    this.#addRead({ ...about, type: 'gauge' }, read)
  }

  /** The same for a number that only grows, and is counted elsewhere. */
  total(about: AboutGauge, read: Read): void {
    this.#addRead({ ...about, type: 'counter' }, read)
  }

  /** Adds a metric of its own making. */
  add({ name, help, type }: Pick<Family, 'name' | 'help' | 'type'>, read: () => Sample[]): void {
    const family = () => ({ name, help, type, aggregator: 'sum' as const, values: read() })
    this.#sources.push({ isOfService: false, read: family })
  }

  /** Adds metrics that others collect. */
  addAll(read: () => Promise<Family[]>): void {
    this.#others.push(read)
  }

  /** All of them as they are now, without the numbers that are of the whole service unless those are wanted too. */
  async read({ withService = true } = {}): Promise<Family[]> {
    const sources = this.#sources.filter(({ isOfService }) => withService || !isOfService)
    const ended = new AbortController()
    const late = sleep(this.#longestReadMs, undefined, { signal: ended.signal }).catch(() => undefined)
    const own = await Promise.all(sources.map(({ read }) => read(late)))
    ended.abort()
    const others = await Promise.all(this.#others.map((read) => read()))
    return [...own, ...others.flat()]
  }

  #addRead({ isOfService = false, ...about }: AboutGauge & Pick<Family, 'type'>, read: Read): void {
    const { name, help, type, label = '', labels = {} } = about
    const aggregator = isOfService ? 'first' : (about.aggregator ?? 'sum')
    const source = async (late: Promise<undefined>): Promise<Family> => {
      const reading = await this.#tryTo(name, read, late)
      const byValue = typeof reading === 'object' ? Object.entries(reading) : [['', reading] as const]
      const values = byValue.flatMap(([of, value]) =>
        value === undefined ? [] : [{ value, labels: of === '' ? labels : { ...labels, [label]: of } }]
      )
      return { name, help, type, aggregator, values }
    }
    this.#sources.push({ isOfService, read: source })
  }

  /** What cannot be known now is no reason to know nothing. */
  async #tryTo(name: string, read: Read, late: Promise<undefined>): Promise<Reading> {
    try {
      return await Promise.race([read(), late])
    } catch (err) {
      this.#log.debug({ err, metric: name }, 'a metric could not be read')
      return undefined
    }
  }
}
