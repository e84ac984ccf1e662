/** The options of `npm run bench`. */
import path from 'node:path'
import { readCommandLine } from '../scripts/command-line/read.ts'
import { type EngineName, SCENARIOS } from './scenarios.ts'

/** What is written of a run on each engine. */
export const FILES: Record<EngineName, [page: string, picture: string]> = {
  sqlite: ['results.md', 'ratios.svg'],
  postgres: ['postgres.md', 'postgres.svg']
}
const OTHER_PARTS: Record<EngineName, string[]> = {
  sqlite: ['beside-writes', 'alone', 'workers', 'start', 'imports', 'growth'],
  postgres: ['instances', 'pgbench', 'beside-writes', 'start', 'imports']
}

function partsOn(engine: EngineName): string[] {
  return [...SCENARIOS.map(({ name }) => name), ...OTHER_PARTS[engine]]
}

export const USAGE =
  'usage: npm run bench -- [--rounds N] [--seconds N] [--warm-up N] [--authors N] [--users N] [--full] [--only PART] [--output FOLDER] [--engine sqlite|postgres] [--database-url URL]'

/** Throws when there is no such part or engine. */
export function readOptions(parameters: string[]) {
  const options = {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '2' },
    authors: { type: 'string', default: '100000' },
    users: { type: 'string', default: '1000' },
    full: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] as string[] },
    output: { type: 'string', default: path.join(import.meta.dirname, 'results') },
    engine: { type: 'string', default: 'sqlite' },
    'database-url': { type: 'string' }
  } as const
  const {
    only,
    output,
    full,
    engine,
    'database-url': databaseUrl,
    ...numbers
  } = readCommandLine({
    begin: 'npm run bench --',
    options,
    words: 0,
    args: parameters
  }).values
  if (!isEngine(engine)) throw new Error(`--engine ${engine}: there is ${Object.keys(FILES).join(', ')}`)
  const all = partsOn(engine)
  const unknown = only.filter((name) => !all.includes(name))
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(', ')}: there is ${all.join(', ')}`)
  const setting = {
    rounds: Number(numbers.rounds),
    seconds: Number(numbers.seconds),
    warmUp: Number(numbers['warm-up']),
    authors: Number(numbers.authors),
    users: Number(numbers.users)
  }
  return { ...setting, engine, databaseUrl, full, output, parts: only.length > 0 ? only : all }
}

function isEngine(name: string): name is EngineName {
  return Object.hasOwn(FILES, name)
}
