/** `npx library db migrate latest|down|status`: the schema of the database that DATABASE_URL names, by hand. */
import { loadConfig } from '../config.ts'
import {
  databaseFile,
  type FoundSame,
  type Migrating,
  migrateDown,
  migrateToLatest,
  openForMigrations
} from '../db/dialect.ts'
import { type Applied, createMigrator, refuseNewerSchema } from '../db/migrator.ts'
import { helpIfAsked } from './command-line/read.ts'
import { complain } from './complain.ts'

const USAGE = `usage: npx library db migrate latest|down|status
  latest  runs the migrations that are not done yet, as each start does
  down    undoes the last one
  status  which there are, and when each was run`

const COMMANDS: Record<string, (file: string) => Promise<string[]>> = {
  latest: async (file) => describe(await migrateToLatest(file, { tell, tellSame })),
  down: async (file) => describe(await migrateDown(file, { tell, tellSame })),
  status: async (file) => {
    const db = openForMigrations(file)
    await refuseNewerSchema(db)
    const migrations = await createMigrator(db).getMigrations()
    await db.destroy()
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
try {
  const file = databaseFile(loadConfig(process.env, { dotenv: true }).DATABASE_URL)
  for (const line of await command(file)) console.log(line)
} catch (error) {
  complain(error)
}
