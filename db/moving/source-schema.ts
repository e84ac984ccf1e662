import { findPendingMigration, findUnknownMigration, refuseNewerSchema } from '../migrator.ts'
import { DatabaseRefused } from '../refusals.ts'
import type { MoveSource } from './side.ts'

/** Before the target is touched. Throws `DatabaseRefused` on a source whose schema is not that of this version. */
export async function refuseOtherSource({ db, place }: MoveSource): Promise<void> {
  const unknown = await findUnknownMigration(db)
  if (unknown !== undefined)
    throw new DatabaseRefused(
      `${place} has the migration "${unknown}", which this version does not know: move it with the newer version that made it.`
    )
  const pending = await findPendingMigration(db)
  if (pending !== undefined)
    throw new DatabaseRefused(
      `${place} lacks the migration "${pending}": run \`npx library db migrate latest\` with DATABASE_URL set to it, then try again.`
    )
  await refuseNewerSchema(db)
}
