import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { lastSequence } from '../db/changes.ts'

export interface ChangesFeed {
  /** Resolves to true as soon as there is a change after this sequence number, by whichever process; to false after so many ms, or when the service ends. */
  waitFor(after: number, milliseconds: number): Promise<boolean>
}

declare module 'fastify' {
  interface FastifyInstance {
    changesFeed: ChangesFeed
  }
}

interface Waiter {
  after: number
  settle: (isThere: boolean) => void
}

/**
 * `fastify.changesFeed`: tells when there are new changes. When the database says that something was written it looks, for all that wait
 * and only while somebody does, so that it sees what other processes and threads commit too, and nothing before it is committed.
 */
async function changesFeedPlugin(fastify: FastifyInstance) {
  const waiters = new Set<Waiter>()
  let stopWatching: (() => void) | undefined
  let isClosing = false
  let isLooking = false
  let mustLook = false
  let isReadable = true

  /** One look at a time; what is written meanwhile needs another. */
  async function wakeUp(): Promise<void> {
    mustLook = true
    if (isLooking) return
    isLooking = true
    while (mustLook) {
      mustLook = false
      await look().catch(noteFailure)
    }
    isLooking = false
  }

  async function look(): Promise<void> {
    const last = await lastSequence(fastify.db)
    isReadable = true
    for (const { after, settle } of waiters) if (last > after) settle(true)
  }

  /** Once, however often it is tried. */
  function noteFailure(err: unknown): void {
    if (isReadable) fastify.log.error({ err }, 'the change log could not be read')
    isReadable = false
  }

  function begin(waiter: Waiter): void {
    waiters.add(waiter)
    stopWatching ??= fastify.watchData(wakeUp)
    // It may be there already.
    void wakeUp()
  }

  function end(waiter: Waiter): void {
    waiters.delete(waiter)
    if (waiters.size > 0) return
    stopWatching?.()
    stopWatching = undefined
  }

  fastify.addHook('preClose', async () => {
    isClosing = true
    for (const { settle } of waiters) settle(false)
  })

  fastify.decorate('changesFeed', {
    waitFor(after, milliseconds) {
      if (isClosing) return Promise.resolve(false)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const waiter: Waiter = {
        after,
        settle(isThere) {
          clearTimeout(timer)
          end(waiter)
          resolve(isThere)
        }
      }
      const timer = setTimeout(() => waiter.settle(false), milliseconds)
      begin(waiter)
      return promise
    }
  })
}

export default fp(changesFeedPlugin, { name: 'changes-feed', dependencies: ['database'] })
