/** What is scraped, and what docs/operations.md says of it. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { expose } from '../plugins/metrics/exposition.ts'
import { ROOT } from './helpers.ts'

export interface Metric {
  type: string
  help: string
  samples: { name: string; labels: Record<string, string>; value: number }[]
}

const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g
/** Of a histogram, by which its buckets are told apart. */
const BOUND = 'le'

/** The metrics of a text in Prometheus' format. */
export function parse(text: string): Map<string, Metric> {
  const metrics = new Map<string, Metric>()
  let last: Metric = { type: '', help: '', samples: [] }
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      last = { type: '', help: rest, samples: [] }
      metrics.set(name, last)
    } else if (keyword === 'TYPE') last.type = rest
    else if (line !== '') last.samples.push(sampleOf(line))
  }
  return metrics
}

function sampleOf(line: string) {
  const [, name = '', labels = '', value] = SAMPLE.exec(line) ?? []
  const pairs = [...labels.matchAll(LABEL)].map(([, label = '', text = '']) => [label, text])
  return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }
}

/** What a scrape of this service alone would give. */
export async function scrape(server: FastifyInstance): Promise<Map<string, Metric>> {
  return parse((await expose([await server.metrics.read()])).text)
}

/** The sum of the samples of this name that have these labels. */
export function sum(metrics: Map<string, Metric>, name: string, labels: Record<string, string> = {}): number {
  const samples = [...metrics.values()].flatMap((metric) => metric.samples)
  const wanted = Object.entries(labels)
  return samples
    .filter((sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value))
    .reduce((total, { value }) => total + value, 0)
}

/** The names of the labels that samples of the metric have, in order. */
export function labelsOf({ samples }: Metric): string[] {
  const names = new Set(samples.flatMap(({ labels }) => Object.keys(labels)))
  names.delete(BOUND)
  return [...names].sort()
}

export interface Documented {
  type: string
  labels: string[]
  /** Only several workers have it. */
  isOfWorkers: boolean
}

/** The table of the section Metrics. */
export function documented(): Map<string, Documented> {
  const page = readFileSync(path.join(ROOT, 'docs/operations.md'), 'utf8')
  const [, section = ''] = page.split('\n## Metrics\n')
  const rows = (section.split('\n## ')[0] as string).matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$/gm)
  return new Map(
    [...rows].map(([, name = '', type = '', labels = '', what = '']) => [
      name,
      {
        type,
        labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label).sort(),
        isOfWorkers: what.startsWith('with several `WORKERS`')
      }
    ])
  )
}
