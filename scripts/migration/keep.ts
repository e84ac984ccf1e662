/** `node scripts/migration/keep.ts`: keeps a small database of each schema in `test/schemas`; those that are there stay as they are. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import Sqlite from 'better-sqlite3'
import { migrateDown, migrateToLatest, openForMigrations } from '../../db/dialect.ts'
import { createMigrator } from '../../db/migrator.ts'
import { LAST_MIGRATION, makeOldDatabase } from './old-database.ts'

const FOLDER = path.join(import.meta.dirname, '../../test/schemas')
const SIZES = { authors: 12, users: 5 }

const folder = mkdtempSync(path.join(tmpdir(), 'library-'))
try {
  const file = path.join(folder, 'old.db')
  await makeOldDatabase(file, SIZES)
  const names = await migrationNames(file)
  const middle = names.indexOf(LAST_MIGRATION)
  const older = path.join(folder, 'older.db')
  copyFileSync(file, older)
  for (const name of names.slice(0, middle).toReversed()) {
    await migrateDown(older, {})
    keep(older, name)
  }
  keep(file, LAST_MIGRATION)
  for (const name of names.slice(middle + 1)) {
    await migrateToLatest(file, { upTo: name })
    keep(file, name)
  }
} finally {
  rmSync(folder, { recursive: true })
}

async function migrationNames(file: string): Promise<string[]> {
  const db = openForMigrations(file)
  const migrations = await createMigrator(db).getMigrations()
  await db.destroy()
  return migrations.map(({ name }) => name)
}

function keep(file: string, name: string): void {
  const kept = path.join(FOLDER, `${name}.db.gz`)
  if (existsSync(kept)) return
  const whole = path.join(folder, 'whole.db')
  const database = new Sqlite(file)
  database.exec(`vacuum into '${whole}'`)
  database.close()
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(kept, gzipSync(readFileSync(whole), { level: 9 }))
  rmSync(whole)
  console.log(kept)
}
