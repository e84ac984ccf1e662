/** `npx library db migrate latest|down|status`: the schema of the database that DATABASE_URL names, by hand. */
import { loadConfig } from '../config.ts'
import { upkeepOf } from '../db/dialect.ts'
import type { FoundSame, Migrating } from '../db/migration-news.ts'
import type { Applied } from '../db/migrator.ts'
import type { Upkeep } from '../db/upkeep.ts'
import { recordOperation } from './command-line/operation.ts'
import { helpIfAsked } from './command-line/read.ts'
import { complain } from './complain.ts'

const USAGE = `usage: npx library db migrate latest|down|status
  latest  runs the migrations that are not done yet, as each start does
  down    undoes the last one
  status  which there are, and when each was run`

const COMMANDS: Record<string, (upkeep: Upkeep) => Promise<string[]>> = {
  latest: async (upkeep) => describe(await upkeep.migrateToLatest({ tell, tellSame })),
  down: async (upkeep) => describe(await upkeep.migrateDown({ tell, tellSame })),
  status: async (upkeep) => {
    const migrations = await upkeep.listMigrations()
    return migrations.map(({ name, executedAt }) => `${name}  ${executedAt?.toISOString() ?? 'pending'}`)
  }
}

function describe(applied: Applied[]): string[] {
  if (applied.length === 0) return ['nothing to do']
  return applied.map(({ direction, migration }) => `${direction}  ${migration}`)
}

function tell({ migration, step, done, of, percent, secondsLeft }: Migrating): void {
  const rows = of === undefined ? '' : ` ${done} of ${of}`
  const left = secondsLeft === undefined ? '' : `, about ${secondsLeft} s left`
  console.log(`${migration}  ${percent} %, ${step}${rows}${left}`)
}

function tellSame({ migration, count, pairs }: FoundSame): void {
  const all = count === 1 ? 'One author has' : `${count} authors have`
  console.log(
    `${migration}  ${all} become the same as another, with which each shares name and book. All were kept. ` +
      'Compare each pair, then delete one of them, or change its name or book:'
  )
  for (const pair of pairs) console.log(`  ${pair.join('  ')}`)
  if (count > pairs.length) console.log(`  and ${count - pairs.length} more`)
}

helpIfAsked(USAGE)

const name = process.argv[2] ?? ''
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command === undefined) {
  console.error(USAGE)
  process.exit(2)
}
recordOperation(`db migrate ${name}`)
try {
  const { DATABASE_URL } = loadConfig(process.env, { dotenv: true })
  for (const line of await command(await upkeepOf(DATABASE_URL))) console.log(line)
} catch (error) {
  complain(error)
}
