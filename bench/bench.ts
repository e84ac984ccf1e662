/**
 * `npm run bench`: the service's requests per second beside those of a raw node:http server that sends the same bytes, of a plain
 * stack, and of itself without group commit; writes `results.md` and `ratios.svg`. Exits with 1 when a request was answered
 * with another status than it should be. Its options, after `--`:
 * `--rounds 5 --seconds 3 --warm-up 2 --authors 100000 --users 1000 --full --only NAME --output FOLDER`; `--only` any number of times.
 * With `--engine postgres` the service runs on PostgreSQL, on a server that is started for it or that `--database-url` names, beside
 * itself on SQLite, pgbench and several instances; writes `postgres.md` and `postgres.svg`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { UsageError } from '../scripts/command-line/options.ts'
import { helpIfAsked } from '../scripts/command-line/read.ts'
import { compare } from './comparing.ts'
import { Contenders } from './contenders.ts'
import { type Databases, databasesOf, filesIn } from './databases.ts'
import { measureAlone, measureBesideWrites, measureStart, measureWorkers } from './figures.ts'
import { buildFixture, type Fixture } from './fixture.ts'
import { measureGrowth } from './growth.ts'
import { measureImports } from './imports.ts'
import { measureInstances, type Plan } from './instances.ts'
import { refuseMissingWrk, WrkMissing } from './load.ts'
import { FILES, readOptions, USAGE } from './options.ts'
import { measurePgbench } from './pgbench.ts'
import { toSvg } from './plot.ts'
import { type Results, type Setting, toMarkdown } from './report.ts'
import { scenariosOn } from './scenarios.ts'

const FEW_AUTHORS = 20

const FIGURES = { 'beside-writes': measureBesideWrites, alone: measureAlone, workers: measureWorkers }
export interface Bench extends Setting {
  /** The parts that are measured. */
  parts: string[]
  /** How much the catalogue grows: a hundredth of the authors, a tenth, all, with `full` ten times as many. */
  full: boolean
  /** For so long a service rests before its memory is looked at. */
  idleSeconds: number
  log: (line: string) => void
  /** Of the PostgreSQL server to use in place of one that is started; its user may make databases. */
  databaseUrl?: string | undefined
  /** For a part of what is measured of several instances. */
  plan?: Plan
  /** Spoils what is asked, to prove that it would be noticed. */
  sabotage?: (fixture: Fixture) => Fixture
}

/** V8 gives back what it has freed after some eight seconds. */
const IDLE_SECONDS = 15

/** Measures everything, with all data in the folder, which is the caller's to remove. Throws `WrkMissing`. */
export async function bench(folder: string, options: Bench): Promise<Results> {
  await refuseMissingWrk()
  const { engine, databaseUrl } = options
  const files = filesIn(folder)
  if (engine === 'sqlite') return measureOn(files, files, folder, options)
  const databases = await databasesOf(databaseUrl)
  try {
    return await measureOn(databases, files, folder, options)
  } finally {
    await databases.end()
  }
}

/** The service on these databases, and where those are no files, beside itself on some. */
async function measureOn(
  databases: Databases,
  files: Databases,
  folder: string,
  options: Bench
): Promise<Results> {
  const { parts, rounds, idleSeconds, log, sabotage = (fixture: Fixture) => fixture } = options
  const { authors, users } = options
  const makeSmall = (name: string) => fill(databases, name, { authors: FEW_AUTHORS, users: 1 })
  log(
    `making ${authors.toLocaleString('en')} authors and ${users.toLocaleString('en')} users who are signed in`
  )
  const fixture = sabotage(await fill(databases, 'service', options))
  const copy = parts.includes('pgbench') ? await databases.copy(fixture.databaseUrl, 'pgbench') : ''
  const results: Results = { outcomes: [], figures: [], growths: [], instances: [] }
  if (parts.includes('start')) results.figures.push(...(await measureStart(fixture, rounds, idleSeconds)))
  if (parts.includes('imports')) results.figures.push(...(await measureImports(makeSmall, options)))
  if (parts.includes('growth')) {
    results.growths = await measureGrowth(await makeGrow(databases, fixture, options), folder, options)
  }
  const sqlite = databases === files ? fixture : await fill(files, 'sqlite', options)
  const contenders = new Contenders(folder, { service: fixture, sqlite, databaseCpu: databases.cpu })
  try {
    await measureAll(contenders, { folder, copy }, options, results)
  } finally {
    await contenders.end()
  }
  return results
}

async function fill(
  databases: Databases,
  name: string,
  { authors, users }: Pick<Bench, 'authors' | 'users'>
): Promise<Fixture> {
  const fixture = await buildFixture(await databases.make(name), authors, users)
  await databases.settle(fixture.databaseUrl)
  return fixture
}

/** The fixture among smaller ones, and a larger one if that is wanted. */
async function makeGrow(
  databases: Databases,
  fixture: Fixture,
  { authors, users, full }: Bench
): Promise<Fixture[]> {
  const make = (count: number) => fill(databases, `growth-${count}`, { authors: count, users })
  const smaller = [await make(Math.round(authors / 100)), await make(Math.round(authors / 10))]
  return [...smaller, fixture, ...(full ? [await make(authors * 10)] : [])]
}

async function measureAll(
  contenders: Contenders,
  { folder, copy }: { folder: string; copy: string },
  options: Bench,
  results: Results
): Promise<void> {
  const { engine, parts, log } = options
  for (const scenario of scenariosOn(engine).filter(({ name }) => parts.includes(name))) {
    log(`measuring: ${scenario.title}`)
    results.outcomes.push(await compare(scenario, contenders, folder, options))
  }
  if (parts.includes('instances')) {
    log('measuring: instances')
    results.instances = await measureInstances(contenders, folder, options, options.plan)
  }
  if (parts.includes('pgbench')) {
    log('measuring: pgbench')
    results.figures.push(...(await measurePgbench(contenders, folder, options, copy)))
  }
  for (const [name, measureIt] of Object.entries(FIGURES)) {
    if (!parts.includes(name)) continue
    log(`measuring: ${name}`)
    results.figures.push(...(await measureIt(contenders, folder, options)))
  }
}

/** How many requests were not answered as they should be. */
export function failedOf({ outcomes, figures, growths, instances }: Results): number {
  return [...outcomes, ...figures, ...growths, ...instances].reduce((total, { failed }) => total + failed, 0)
}

/** The command: measures, prints, writes the files, and gives the exit code. */
export async function run(
  parameters: string[],
  more: Pick<Bench, 'idleSeconds' | 'sabotage' | 'plan'>
): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-bench-'))
  try {
    const { output, ...options } = readOptions(parameters)
    const results = await bench(folder, { ...options, ...more, log: console.error })
    const page = toMarkdown(results, options)
    console.log(page)
    mkdirSync(output, { recursive: true })
    const [pageFile, pictureFile] = FILES[options.engine]
    writeFileSync(path.join(output, pageFile), page)
    writeFileSync(path.join(output, pictureFile), toSvg(results.outcomes))
    const failed = failedOf(results)
    if (failed > 0) console.error(`${failed} requests were not answered as they should be.`)
    return failed > 0 ? 1 : 0
  } catch (error) {
    console.error(error instanceof WrkMissing || error instanceof UsageError ? error.message : error)
    return 1
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  process.exitCode = await run(process.argv.slice(2), { idleSeconds: IDLE_SECONDS })
}
