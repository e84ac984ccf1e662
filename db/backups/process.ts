/** A process that makes one backup for a service: what stops its thread or keeps its processor busy disturbs nobody who is served. */
import { DatabaseRefused } from '../refusals.ts'
import { whileAlone } from './folder.ts'
import { backUp } from './index.ts'
import { prune } from './keeping.ts'
import { BackupBusy } from './make.ts'
import { giveWay } from './priority.ts'
import type { Order, Outcome } from './separate.ts'
import { readState } from './state.ts'

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
      whenCopied: () => giveWay('verifying')
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

giveWay('copying')
// Without the service nobody knows of the backup, and nobody ends this process.
process.once('disconnect', () => process.exit(1))
process.once('message', async (order: Order) => {
  const outcome = await carryOut(order)
  process.removeAllListeners('disconnect')
  process.send?.(outcome, () => process.disconnect())
})
