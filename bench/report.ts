/** What was measured, as Markdown. */
import { cpus } from 'node:os'
import type { Outcome } from './comparing.ts'
import { type Figure, formatRate, formatRatio } from './figures.ts'
import type { Growth } from './growth.ts'
import type { Instances } from './instances.ts'
import { failedIn, type Measured, medianOf, type Pace, ratioOf } from './measuring.ts'
import type { RoundTrips } from './round-trips.ts'
import type { EngineName, Rival } from './scenarios.ts'

export interface Results {
  outcomes: Outcome[]
  figures: Figure[]
  growths: Growth[]
  instances: Instances[]
}

export interface Setting extends Pace {
  engine: EngineName
  authors: number
  users: number
}

const RIVALS: Record<Rival, string> = {
  raw: 'a raw node:http server',
  plain: 'the plain stack',
  commit: 'one commit per request',
  sqlite: 'itself on SQLite'
}

/** All results as a page. */
export function toMarkdown(results: Results, setting: Setting): string {
  const { outcomes, figures, growths, instances } = results
  const sections = [
    `# How fast it is\n\n${describe(setting)}`,
    outcomes.length > 0 && scenarioTable(outcomes),
    spreadSentence(outcomes),
    outcomes.some(({ roundTrips }) => roundTrips) && ROUND_TRIPS,
    comparisonTable(outcomes),
    instances.length > 0 && instancesTable(instances),
    figures.length > 0 && figureTable(figures),
    growths.length > 0 && growthTable(growths)
  ]
  return `${sections.filter((section) => section).join('\n\n')}\n`
}

function describe({ engine, rounds, seconds, authors, users }: Setting): string {
  const number = (value: number) => value.toLocaleString('en')
  const command = engine === 'sqlite' ? 'npm run bench' : `npm run bench -- --engine ${engine}`
  const machine = `${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}`
  return `\`${command}\`: medians of ${rounds} rounds of ${seconds} s each, ${number(authors)} authors, tokens of ${number(users)} users.
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
  const ofDatabase = outcomes.some(({ roundTrips }) => roundTrips) ? DATABASE_HEADER : []
  const rows = outcomes.map(scenarioRow)
  return table([...header, 'CPU µs', ...ofDatabase, 'memory MB', 'failed'], rows)
}

const DATABASE_HEADER = ['database CPU µs', 'queries', 'round trips']

function databaseCells(runs: Measured[], roundTrips: RoundTrips | undefined): string[] {
  if (roundTrips === undefined) return []
  const cpu = medianOf(runs, 'databaseCpu')
  const { queries, inTurn } = roundTrips
  const format = (value: number, digits: number) => (Number.isNaN(value) ? '' : value.toFixed(digits))
  return [format(cpu, 0), format(queries, 2), format(inTurn, 1)]
}

const ROUND_TRIPS = `Database CPU is the time that all processes of the PostgreSQL server used for a request. Queries are what the service sends to it for a
request while 64 clients ask: what several share counts once. Round trips are those that a client who is alone waits for, one after the other.`

function scenarioRow(outcome: Outcome): string[] {
  const { scenario, service, rivals, failed } = outcome
  const value = (key: keyof Measured, digits: number) => medianOf(service, key).toFixed(digits)
  return [
    scenario.title,
    formatRate(service),
    rivals.raw === undefined ? '' : formatRate(rivals.raw),
    rivals.raw === undefined ? '' : formatRatio(ratioOf(service, rivals.raw)),
    formatTarget(outcome, 'raw'),
    ...[value('p50', 1), value('p99', 1), value('cpu', 0)],
    ...databaseCells(service, outcome.roundTrips),
    ...[value('megabytes', 0), String(failed)]
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
  const rows = (['plain', 'commit', 'sqlite'] as const).flatMap((rival) =>
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
  const rivals = RIVALS_EXPLAINED.filter(([rival]) => outcomes.some(({ rivals }) => rival in rivals))
  return `## Compared\n\n${rivals.map(([, text]) => text).join('\n')}\n\n${table(header, rows)}`
}

const RIVALS_EXPLAINED: [Rival, string][] = [
  [
    'plain',
    'The plain stack is what tutorials make: Fastify, @fastify/jwt, Kysely over better-sqlite3, the same columns, authors and durability.'
  ],
  ['commit', 'One commit per request is the service itself without group commit.'],
  ['sqlite', 'Itself on SQLite is the same service with the same data in a file, on the same disk.']
]

/** A row for each number of instances. */
function instancesTable(all: Instances[]): string {
  const header = ['scenario', 'on', 'req/s', 'raw req/s', '/ raw', 'p50 ms', 'p99 ms', 'CPU µs']
  const rows = all.flatMap(({ scenario, raw, rows }) =>
    rows.map(({ title, runs, roundTrips }) => {
      const value = (key: keyof Measured, digits: number) => medianOf(runs, key).toFixed(digits)
      const cells = databaseCells(runs, roundTrips)
      return [
        scenario.title,
        title,
        ...[formatRate(runs), formatRate(raw), formatRatio(ratioOf(runs, raw))],
        ...[value('p50', 1), value('p99', 1), value('cpu', 0)],
        ...(cells.length === 0 ? ['', '', ''] : cells),
        String(failedIn(runs))
      ]
    })
  )
  return `## Several instances\n
64 connections in all, dealt out to the instances, on this one machine: with as many processes as it has cores nothing is left to gain.
CPU is that of all instances together; queries and round trips are of an instance with its share of the clients.\n
${table([...header, ...DATABASE_HEADER, 'failed'], rows)}`
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
