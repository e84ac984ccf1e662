/** What was measured, as Markdown. */
import { cpus } from 'node:os'
import type { Outcome } from './comparing.ts'
import { type Figure, formatRate, formatRatio } from './figures.ts'
import type { Growth } from './growth.ts'
import { type Measured, medianOf, type Pace, ratioOf } from './measuring.ts'
import type { Rival } from './scenarios.ts'

export interface Results {
  outcomes: Outcome[]
  figures: Figure[]
  growths: Growth[]
}

export interface Setting extends Pace {
  authors: number
  users: number
}

const RIVALS: Record<Rival, string> = {
  raw: 'a raw node:http server',
  plain: 'the plain stack',
  commit: 'one commit per request'
}

/** All results as a page. */
export function toMarkdown(results: Results, setting: Setting): string {
  const { outcomes, figures, growths } = results
  const sections = [
    `# How fast it is\n\n${describe(setting)}`,
    outcomes.length > 0 && scenarioTable(outcomes),
    spreadSentence(outcomes),
    comparisonTable(outcomes),
    figures.length > 0 && figureTable(figures),
    growths.length > 0 && growthTable(growths)
  ]
  return `${sections.filter((section) => section).join('\n\n')}\n`
}

function describe({ rounds, seconds, authors, users }: Setting): string {
  const number = (value: number) => value.toLocaleString('en')
  const machine = `${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}`
  return `\`npm run bench\`: medians of ${rounds} rounds of ${seconds} s each, ${number(authors)} authors, tokens of ${number(users)} users.
${machine}, ${new Date().toISOString().slice(0, 10)}. \`wrk\` runs on the same machine, with one thread and 64 connections (4 for logins).

The raw server is \`node:http\` alone: it reads the request, and sends the very bytes that the service sends, which it has at hand.`
}

function table(header: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

/** The service beside the raw server. */
function scenarioTable(outcomes: Outcome[]): string {
  const header = ['scenario', 'service req/s', 'raw req/s', 'service / raw', 'target', 'p50 ms', 'p99 ms']
  return table([...header, 'CPU µs', 'memory MB', 'failed'], outcomes.map(scenarioRow))
}

function scenarioRow(outcome: Outcome): string[] {
  const { scenario, service, rivals, failed } = outcome
  const value = (key: keyof Measured, digits: number) => medianOf(service, key).toFixed(digits)
  return [
    scenario.title,
    formatRate(service),
    rivals.raw === undefined ? '' : formatRate(rivals.raw),
    rivals.raw === undefined ? '' : formatRatio(ratioOf(service, rivals.raw)),
    formatTarget(outcome, 'raw'),
    ...[value('p50', 1), value('p99', 1), value('cpu', 0), value('megabytes', 0), String(failed)]
  ]
}

function formatTarget({ scenario, service, rivals }: Outcome, rival: Rival): string {
  const target = scenario.targets[rival]
  if (target === undefined) return ''
  const isMet = ratioOf(service, rivals[rival] ?? []).median >= target
  return withVerdict(`>= ${rival === 'raw' ? target.toFixed(2) : target}`, isMet)
}

function withVerdict(target: string, isMet: boolean): string {
  return `${target}: ${isMet ? 'met' : '**missed**'}`
}

function spreadSentence(outcomes: Outcome[]): string {
  const spreads = outcomes.flatMap(({ rivals: { raw } }) => (raw === undefined ? [] : [spreadOf(raw)]))
  if (spreads.length === 0) return ''
  return `CPU is the time that the service's process used for a request, by itself and in the system; memory is what it held after the run.
A ratio is the median of those of the rounds, in each of which all are measured one after the other, with the lowest and the highest
in parentheses: on a machine that others use too, the raw server's own rate varied by up to ${Math.max(...spreads).toFixed(0)} % between rounds.`
}

/** How much more the fastest run did than the slowest, in per cent. */
function spreadOf(runs: Measured[]): number {
  const rates = runs.map(({ rate }) => rate)
  return 100 * (Math.max(...rates) / Math.min(...rates) - 1)
}

/** The service beside its other rivals. */
function comparisonTable(outcomes: Outcome[]): string {
  const rows = (['plain', 'commit'] as const).flatMap((rival) =>
    outcomes.flatMap((outcome) => {
      const { scenario, service, rivals } = outcome
      const other = rivals[rival]
      if (other === undefined) return []
      const ratio = formatRatio(ratioOf(service, other))
      return [
        [
          scenario.title,
          RIVALS[rival],
          formatRate(service),
          formatRate(other),
          ratio,
          formatTarget(outcome, rival)
        ]
      ]
    })
  )
  if (rows.length === 0) return ''
  const header = ['scenario', 'compared with', 'service req/s', 'its req/s', 'times', 'target']
  return `## Compared\n
The plain stack is what tutorials make: Fastify, @fastify/jwt, Kysely over better-sqlite3, the same columns, authors and durability.
One commit per request is the service itself without group commit.\n\n${table(header, rows)}`
}

function figureTable(figures: Figure[]): string {
  const rows = figures.map(({ title, value, target }) => [
    title,
    value,
    target === undefined ? '' : withVerdict(target.text, target.isMet)
  ])
  return `## Other figures\n\n${table(['figure', 'measured', 'target'], rows)}`
}

function growthTable(growths: Growth[]): string {
  const sizes = growths[0]?.bySize.map(({ authors }) => `${authors.toLocaleString('en')} authors`) ?? []
  const rows = growths.map(({ scenario, bySize }) => [
    scenario.title,
    ...bySize.map(({ runs }) => `${formatRate(runs)} (${medianOf(runs, 'p99').toFixed(1)})`)
  ])
  return `## As the catalogue grows\n\nRequests per second, and the p99 in ms.\n\n${table(['scenario', ...sizes], rows)}`
}
