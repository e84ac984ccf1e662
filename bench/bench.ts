/**
 * `npm run bench`: the service's requests per second beside those of a raw node:http server that sends the same bytes, of a plain
 * stack, and of itself without group commit; writes `results.md` and `ratios.svg`. Exits with 1 when a request was answered
 * with another status than it should be. Its options, after `--`:
 * `--rounds 5 --seconds 3 --warm-up 2 --authors 100000 --users 1000 --full --only NAME --output FOLDER`; `--only` any number of times.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { UsageError } from '../scripts/command-line/options.ts'
import { helpIfAsked, readCommandLine } from '../scripts/command-line/read.ts'
import { compare } from './comparing.ts'
import { Contenders } from './contenders.ts'
import { measureAlone, measureBesideWrites, measureStart, measureWorkers } from './figures.ts'
import { buildFixture, type Fixture } from './fixture.ts'
import { measureGrowth } from './growth.ts'
import { refuseMissingWrk, WrkMissing } from './load.ts'
import { toSvg } from './plot.ts'
import { type Results, type Setting, toMarkdown } from './report.ts'
import { SCENARIOS } from './scenarios.ts'

const OTHER_PARTS = { 'beside-writes': measureBesideWrites, alone: measureAlone, workers: measureWorkers }
const PARTS = [...SCENARIOS.map(({ name }) => name), ...Object.keys(OTHER_PARTS), 'start', 'growth']

export interface Bench extends Setting {
  /** The parts that are measured. */
  parts: string[]
  /** How much the catalogue grows: a hundredth of the authors, a tenth, all, with `full` ten times as many. */
  full: boolean
  /** For so long a service rests before its memory is looked at. */
  idleSeconds: number
  log: (line: string) => void
  /** Spoils what is asked, to prove that it would be noticed. */
  sabotage?: (fixture: Fixture) => Fixture
}

/** V8 gives back what it has freed after some eight seconds. */
const IDLE_SECONDS = 15

/** Measures everything, with all data in the folder, which is the caller's to remove. Throws `WrkMissing`. */
export async function bench(folder: string, options: Bench): Promise<Results> {
  const {
    parts,
    authors,
    users,
    rounds,
    idleSeconds,
    log,
    sabotage = (fixture: Fixture) => fixture
  } = options
  await refuseMissingWrk()
  log(
    `making ${authors.toLocaleString('en')} authors and ${users.toLocaleString('en')} users who are signed in`
  )
  const fixture = sabotage(await buildFixture(path.join(folder, 'service'), authors, users))
  const results: Results = { outcomes: [], figures: [], growths: [] }
  if (parts.includes('start')) results.figures = await measureStart(fixture, rounds, idleSeconds)
  if (parts.includes('growth')) {
    results.growths = await measureGrowth(await makeGrow(fixture, folder, options), folder, options)
  }
  const contenders = new Contenders(folder, fixture)
  try {
    await measureAll(contenders, folder, options, results)
  } finally {
    await contenders.end()
  }
  return results
}

/** The fixture among smaller ones, and a larger one if that is wanted. */
async function makeGrow(
  fixture: Fixture,
  folder: string,
  { authors, users, full }: Bench
): Promise<Fixture[]> {
  const make = (count: number) => buildFixture(path.join(folder, `growth-${count}`), count, users)
  const smaller = [await make(Math.round(authors / 100)), await make(Math.round(authors / 10))]
  return [...smaller, fixture, ...(full ? [await make(authors * 10)] : [])]
}

async function measureAll(
  contenders: Contenders,
  folder: string,
  options: Bench,
  results: Results
): Promise<void> {
  const { parts, log } = options
  for (const scenario of SCENARIOS.filter(({ name }) => parts.includes(name))) {
    log(`measuring: ${scenario.title}`)
    results.outcomes.push(await compare(scenario, contenders, folder, options))
  }
  for (const [name, measureIt] of Object.entries(OTHER_PARTS)) {
    if (!parts.includes(name)) continue
    log(`measuring: ${name}`)
    results.figures.push(...(await measureIt(contenders, folder, options)))
  }
}

/** How many requests were not answered as they should be. */
export function failedOf({ outcomes, figures, growths }: Results): number {
  return [...outcomes, ...figures, ...growths].reduce((total, { failed }) => total + failed, 0)
}

const USAGE =
  'usage: npm run bench -- [--rounds N] [--seconds N] [--warm-up N] [--authors N] [--users N] [--full] [--only PART] [--output FOLDER]'

function readOptions(parameters: string[]) {
  const options = {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '2' },
    authors: { type: 'string', default: '100000' },
    users: { type: 'string', default: '1000' },
    full: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] as string[] },
    output: { type: 'string', default: path.join(import.meta.dirname, 'results') }
  } as const
  const { only, output, full, ...numbers } = readCommandLine({
    begin: 'npm run bench --',
    options,
    words: 0,
    args: parameters
  }).values
  const unknown = only.filter((name) => !PARTS.includes(name))
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(', ')}: there is ${PARTS.join(', ')}`)
  const setting = {
    rounds: Number(numbers.rounds),
    seconds: Number(numbers.seconds),
    warmUp: Number(numbers['warm-up']),
    authors: Number(numbers.authors),
    users: Number(numbers.users)
  }
  return { ...setting, full, output, parts: only.length > 0 ? only : PARTS }
}

/** The command: measures, prints, writes the files, and gives the exit code. */
export async function run(
  parameters: string[],
  more: Pick<Bench, 'idleSeconds' | 'sabotage'>
): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-bench-'))
  try {
    const { output, ...options } = readOptions(parameters)
    const results = await bench(folder, { ...options, ...more, log: console.error })
    const page = toMarkdown(results, options)
    console.log(page)
    mkdirSync(output, { recursive: true })
    writeFileSync(path.join(output, 'results.md'), page)
    writeFileSync(path.join(output, 'ratios.svg'), toSvg(results.outcomes))
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
