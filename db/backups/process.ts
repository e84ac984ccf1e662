/** A process that makes one backup for a service: what stops its thread or keeps its processor busy disturbs nobody who is served. */
import { constants, setPriority } from 'node:os'
import { DatabaseRefused } from '../refusals.ts'
import { whileAlone } from './folder.ts'
import { backUp } from './index.ts'
import { prune } from './keeping.ts'
import { BackupBusy } from './make.ts'
import type { Order, Outcome } from './separate.ts'
import { readState } from './state.ts'

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority

async function carryOut({ databaseUrl, folder, version, everyMs, keep }: Order): Promise<Outcome> {
  async function isWanted(): Promise<boolean> {
    const { lastAt } = await readState(folder)
    return lastAt === undefined || Date.now() - lastAt.getTime() >= everyMs
  }
  try {
    const made = await backUp(databaseUrl, {
      folder,
      version,
      tell: () => {},
      isWanted,
      whenCopied: () => setPriority(PRIORITY_LOW)
    })
    if (made === undefined) return 'not wanted'
    const { manifest, bytes } = made
    return {
      made: {
        folder: made.folder,
        bytes,
        authors: manifest.counts.authors ?? 0,
        // Where another process makes the next one already, it is left to that.
        deleted: (await whileAlone(folder, async () => prune(folder, keep))) ?? []
      }
    }
  } catch (error) {
    if (error instanceof BackupBusy) return 'not wanted'
    const { message, stack = message } = error as Error
    return { failed: error instanceof DatabaseRefused ? message : stack }
  }
}

// The log of the database grows until all is copied, so that this must not wait for everybody.
setPriority(PRIORITY_BELOW_NORMAL)
// Without the service nobody knows of the backup, and nobody ends this process.
process.once('disconnect', () => process.exit(1))
process.once('message', async (order: Order) => {
  const outcome = await carryOut(order)
  process.removeAllListeners('disconnect')
  process.send?.(outcome, () => process.disconnect())
})
