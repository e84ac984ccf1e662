import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { listPendingDeletions } from '../db/account-deletions.ts'
import { continueDeletion } from '../db/commands/account-deletions.ts'
import {
  purgeAccountChanges,
  purgeAnswers,
  purgePoints,
  purgeSessions,
  ROWS_A_PURGE
} from '../db/commands/purges.ts'
import { type HistoryKeep, readHistoryKeep } from '../db/history/keeping.ts'
import { type TrimOptions, trimAll } from '../db/history/walk.ts'

export interface Housekeeping {
  /** Does what is left to do of a deletion that has begun, in slices; resolves when nothing is left of the account. */
  finishDeletion(userId: string): Promise<void>
  /** Finishes the deletions that were cut short, and purges what nobody needs any more, in slices. Failures are logged. */
  run(): Promise<void>
  /** Lets go of the versions of authors that `HISTORY_KEEP` does not keep, in slices. Failures are logged. */
  trimHistories(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    housekeeping: Housekeeping
  }
}

const EVERY_MS = 60_000
/** All histories are looked at, which takes two to nine seconds for a million authors. */
const HISTORIES_EVERY_MS = 3_600_000
/** Nobody waits for a purge, so that it leaves the disk to others in between. */
const PAUSE_MS = 10
const PURGES = [purgeAnswers, purgePoints, purgeSessions, purgeAccountChanges]

/** `fastify.housekeeping`: it runs as soon as the service listens, and every minute from then on; histories are looked at every hour. */
async function housekeepingPlugin(fastify: FastifyInstance) {
  const { config, db, log } = fastify
  const keep = readHistoryKeep(config.HISTORY_KEEP)
  const deletions = new Map<string, Promise<void>>()
  const timers = new Map<() => Promise<void>, NodeJS.Timeout>()
  let isClosing = false

  async function continueToEnd(userId: string): Promise<void> {
    for (let isDone = false; !isDone; ) isDone = await fastify.run('service', continueDeletion, { userId })
  }

  function finishDeletion(userId: string): Promise<void> {
    const running = deletions.get(userId)
    if (running !== undefined) return running
    const deletion = continueToEnd(userId).finally(() => deletions.delete(userId))
    deletions.set(userId, deletion)
    return deletion
  }

  async function purge(command: (typeof PURGES)[number]): Promise<void> {
    while (!isClosing && (await fastify.run('service', command, {})) === ROWS_A_PURGE) {
      await letOthersWrite()
    }
  }

  /** Whether to go on then. */
  async function letOthersWrite(): Promise<boolean> {
    await pause(PAUSE_MS, undefined, { ref: false })
    return !isClosing
  }

  async function trim(keep: HistoryKeep): Promise<void> {
    const now = () => new Date().toISOString()
    const run: TrimOptions['run'] = (command, input) => fastify.run('service', command, input)
    const versions = await trimAll(db, { keep, now, run, pause: letOthersWrite })
    if (versions > 0) log.info({ event: 'history_purged', versions }, 'old versions were purged')
  }

  async function finishDeletions(): Promise<void> {
    for (const userId of await listPendingDeletions(db)) await attempt(() => finishDeletion(userId))
  }

  /** What fails is no reason to leave out the rest. */
  async function attempt(chore: () => Promise<void>): Promise<void> {
    try {
      if (!isClosing) await chore()
    } catch (err) {
      if (!isClosing) log.warn({ err }, 'housekeeping is tried again later')
    }
  }

  async function run(): Promise<void> {
    await attempt(finishDeletions)
    for (const command of PURGES) await attempt(() => purge(command))
  }

  async function trimHistories(): Promise<void> {
    if (keep !== undefined) await attempt(() => trim(keep))
  }

  /** So long after its end the chore begins once more. */
  async function repeat(chore: () => Promise<void>, everyMs: number): Promise<void> {
    await chore()
    if (!isClosing) timers.set(chore, setTimeout(repeat, everyMs, chore, everyMs).unref())
  }

  fastify.decorate('housekeeping', { finishDeletion, run, trimHistories })
  // Not for a script, which has this service for a moment only.
  fastify.addHook('onListen', async () => {
    repeat(run, EVERY_MS)
    // By itself: the first time it may take hours, in which the rest is done all the same.
    repeat(trimHistories, HISTORIES_EVERY_MS)
  })
  fastify.addHook('preClose', async () => {
    isClosing = true
    for (const timer of timers.values()) clearTimeout(timer)
  })
}

export default fp(housekeepingPlugin, { name: 'housekeeping', dependencies: ['database'] })
