/** Backups of the database that a `DATABASE_URL` names (docs/operations.md). */
import { copyCheckerOf, upkeepOf } from '../dialect.ts'
import { knownMigrations } from '../migrator.ts'
import type { Restored, Tell } from './copies.ts'
import { candidatesIn, refuseUnclear } from './folder.ts'
import { type Made, type MakeOptions, makeBackup } from './make.ts'
import { restoreBackup } from './restore.ts'
import { type Verified, verifyBackup } from './verify.ts'

export type { Progress, Tell } from './copies.ts'
export type { Made, Restored, Verified }

type Making = Omit<MakeOptions, 'copies'>

/** Copies the database to a new folder in this one, and verifies the copy. Gives nothing when another process makes one there, or none is wanted. Throws `DatabaseRefused`. */
export async function backUp(databaseUrl: string, options: Making): Promise<Made | undefined> {
  const { copies } = await upkeepOf(databaseUrl)
  return makeBackup({ ...options, copies })
}

/** Verifies one backup, or the newest of those in a folder, or all of them; `hear` gets each as it is done. Throws `DatabaseRefused`. */
export async function verify(
  databaseUrl: string,
  { folder, all, tell }: { folder: string; all: boolean; tell: Tell },
  hear: (found: Verified | Error) => void
): Promise<void> {
  const options = await optionsFor(databaseUrl, tell)
  const candidates = candidatesIn(folder)
  if (!all) refuseUnclear(candidates)
  for (const candidate of all ? candidates : candidates.slice(0, 1))
    hear(await verifyBackup(candidate, options).catch((error: Error) => error))
}

/** Puts one backup, or the newest good one of those in a folder, in the place of the database. Throws `DatabaseRefused`; all is as it was then. */
export async function restore(
  databaseUrl: string,
  { folder, tell, hear }: { folder: string; tell: Tell; hear: (refusal: string) => void }
): Promise<Restored & Verified> {
  const { copies } = await upkeepOf(databaseUrl)
  const options = await optionsFor(databaseUrl, tell)
  const candidates = candidatesIn(folder)
  refuseUnclear(candidates)
  return restoreBackup({ ...options, copies, candidates, hear })
}

async function optionsFor(databaseUrl: string, tell: Tell) {
  const checkerOf = (engine: string) => copyCheckerOf(engine, databaseUrl)
  return { checkerOf, known: await knownMigrations(), tell }
}
