/** `node scripts/migration/run.ts FILE up|down ROWS`: the rebuild to lean rows, so many rows at once; tells after each slice how far it is. */
import Sqlite from 'better-sqlite3'
import { migrateDown, migrateToLatest } from '../../db/dialect.ts'
import type { Migrating } from '../../db/sqlite/rebuild/progress.ts'

const [file, direction, rows] = process.argv.slice(2) as [string, string, string]
const tell = (event: Migrating) => console.log(JSON.stringify(event))
const LEAN = '0014-lean-rows'
const options = { upTo: LEAN, tell, tellEveryMs: 0, sliceMs: 0, leastRows: Number(rows) }
if (direction === 'up') await migrateToLatest(file, options)
else if (isLean()) await migrateDown(file, options)

/** A process that was killed may have done all. */
function isLean(): boolean {
  const database = new Sqlite(file)
  const answer = database.prepare('select 1 from kysely_migration where name = ?').get(LEAN)
  database.close()
  return answer !== undefined
}
