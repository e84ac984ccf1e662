/** Copies of a database on a server. */
import type { Copies, CopyChecker } from '../backups/copies.ts'
import { DatabaseRefused } from '../refusals.ts'

export const ENGINE = 'postgres'

async function notYet(): Promise<never> {
  throw new DatabaseRefused('Back up a database on a server with the programs that come with it.')
}

export const checkerOn = (_url: string | undefined): CopyChecker => ({ checkCopy: notYet })

export function copiesOfServer(_url: string): Copies {
  return { engine: ENGINE, copyTo: notYet, checkCopy: notYet, refuseUsed: notYet, restoreFrom: notYet }
}
