import { DatabaseRefused } from '../refusals.ts'
import type { Copies, Restored, Tell } from './copies.ts'
import { findGood, type Verified, type VerifyOptions } from './verify.ts'

export interface RestoreOptions extends VerifyOptions {
  copies: Copies
  /** What may be restored, the best first. */
  candidates: readonly string[]
  /** Learns why one of several is not restored. */
  hear: (refusal: string) => void
  tell: Tell
}

/** Puts the first good backup in the place of the database. Throws `DatabaseRefused`; all is as it was then. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored & Verified> {
  const { copies, candidates, hear, tell } = options
  await copies.refuseUsed()
  const good = await findGood(candidates, options, hear)
  const { engine, files } = good.manifest
  if (engine !== copies.engine)
    throw new DatabaseRefused(
      `${good.folder} is of another engine (${engine}) than DATABASE_URL names: restore it to a database of its own engine, ` +
        'then bring that here with `npx library move`.'
    )
  return { ...good, ...(await copies.restoreFrom(good.folder, files, tell)) }
}
