/** `npm run db:migrate -- latest|down|status`: the schema of the database that DATABASE_URL names, by hand. */
import type { Migrator } from 'kysely/migration'
import { loadConfig } from '../config.ts'
import { databaseFile, openForMigrations } from '../db/dialect.ts'
import { createMigrator, refuseNewerSchema, resultsOf } from '../db/migrator.ts'

const COMMANDS: Record<string, (migrator: Migrator) => Promise<string[]>> = {
  latest: async (migrator) => describe(resultsOf(await migrator.migrateToLatest())),
  down: async (migrator) => describe(resultsOf(await migrator.migrateDown())),
  status: async (migrator) =>
    (await migrator.getMigrations()).map(
      ({ name, executedAt }) => `${name}  ${executedAt?.toISOString() ?? 'pending'}`
    )
}

function describe(results: { direction: string; migrationName: string }[]): string[] {
  if (results.length === 0) return ['nothing to do']
  return results.map(({ direction, migrationName }) => `${direction.toLowerCase()}  ${migrationName}`)
}

const name = process.argv[2] ?? ''
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command === undefined) {
  console.error('usage: npm run db:migrate -- latest|down|status')
  process.exit(2)
}
try {
  const db = openForMigrations(databaseFile(loadConfig(process.env, { dotenv: true }).DATABASE_URL))
  await refuseNewerSchema(db)
  for (const line of await command(createMigrator(db))) console.log(line)
  await db.destroy()
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
