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

export interface Housekeeping {
  /** Does what is left to do of a deletion that has begun, in slices; resolves when nothing is left of the account. */
  finishDeletion(userId: string): Promise<void>
  /** Finishes the deletions that were cut short, and purges what nobody needs any more, in slices. Failures are logged. */
  run(): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    housekeeping: Housekeeping
  }
}

const EVERY_MS = 60_000
/** Nobody waits for a purge, so that it leaves the disk to others in between. */
const PAUSE_MS = 10
const PURGES = [purgeAnswers, purgePoints, purgeSessions, purgeAccountChanges]

/** `fastify.housekeeping`: it runs as soon as the service listens, and every minute from then on. */
async function housekeepingPlugin(fastify: FastifyInstance) {
  const { db, log } = fastify
  const deletions = new Map<string, Promise<void>>()
  let timer: NodeJS.Timeout | undefined
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
      await pause(PAUSE_MS, undefined, { ref: false })
    }
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

  async function runAgainAndAgain(): Promise<void> {
    await run()
    if (!isClosing) timer = setTimeout(runAgainAndAgain, EVERY_MS).unref()
  }

  fastify.decorate('housekeeping', { finishDeletion, run })
  // Not for a script, which has this service for a moment only.
  fastify.addHook('onListen', async () => {
    runAgainAndAgain()
  })
  fastify.addHook('preClose', async () => {
    isClosing = true
    clearTimeout(timer)
  })
}

export default fp(housekeepingPlugin, { name: 'housekeeping', dependencies: ['database'] })
