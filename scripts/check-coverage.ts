/** Fails unless every line of the service itself was covered by the tests that have just run. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { isLeftOut } from '../test/programs.ts'

const ROOT = path.join(import.meta.dirname, '..')
const COVERED = ['plugins', 'routes', 'schemas', 'db']

type Summary = Record<string, { lines: { pct: number } }>

const summary: Summary = JSON.parse(
  readFileSync(path.join(ROOT, '.tap/report/coverage-summary.json'), 'utf8')
)
const files = Object.entries(summary).map(([file, { lines }]) => ({
  file: path.relative(ROOT, file),
  ...lines
}))
const ours = files.filter(({ file }) => COVERED.includes(file.split(path.sep)[0] as string))
const incomplete = ours.filter(({ file, pct }) => pct < 100 && !isLeftOut(file))

for (const { file, pct } of incomplete) console.error(`${file}: only ${pct} % of its lines are covered`)
if (ours.length === 0) console.error('No coverage was recorded.')
process.exit(incomplete.length > 0 || ours.length === 0 ? 1 : 0)
