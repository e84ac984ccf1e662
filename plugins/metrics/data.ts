import { statfs } from 'node:fs/promises'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { type Countable, countInSlices } from '../../db/contents.ts'

/** A count is made again when it is so old, and not before the event loop had a hundred times as long for others. */
const RECOUNT_AFTER_MS = 60_000
const REST = 100

/** How much data there is, and how much room. */
export function measureData(fastify: FastifyInstance): void {
  const { metrics } = fastify
  const size = (name: string, help: string, of: Countable) =>
    metrics.gauge(
      { name, help: `${help}, counted once a minute at the most.`, isOfService: true },
      countedSeldom(() => countInSlices(fastify.db, of))
    )
  size('library_authors', 'Authors', 'authors')
  size('library_users', 'Accounts', 'users')
  size('library_sessions_alive', 'Sessions that are neither over nor ended', 'sessions')
  metrics.gauge(
    {
      name: 'library_database_bytes',
      help: 'What the database takes on its disk, and the write-ahead log of SQLite.',
      label: 'part',
      isOfService: true
    },
    async () => ({ ...(await fastify.databaseState.sizes()) })
  )
  metrics.gauge(
    {
      name: 'library_writes_waiting',
      help: 'Writes that wait or are run; from 10,000 on they are answered 503.'
    },
    () => fastify.databaseState.load().waiting
  )
  metrics.gauge(
    {
      name: 'library_database_connections',
      help: 'Open connections to a PostgreSQL server, by what they are for.',
      label: 'use'
    },
    () => fastify.databaseState.load().connections
  )
  disks(fastify)
}

/** What `count` gives, which is made beside other work: the last one while another is being made, and at first the first. */
export function countedSeldom(count: () => Promise<number>): () => number | Promise<number> | undefined {
  let last: number | undefined
  let underWay: Promise<number> | undefined
  let staleAt = 0

  async function countNow(): Promise<number> {
    const begun = performance.now()
    try {
      last = await count()
      const now = performance.now()
      staleAt = now + Math.max(RECOUNT_AFTER_MS, REST * (now - begun))
      return last
    } finally {
      underWay = undefined
    }
  }

  return () => {
    if (underWay === undefined && performance.now() >= staleAt) {
      underWay = countNow()
      // What has failed is tried again by the next who asks.
      underWay.catch(() => {})
    }
    return last ?? underWay
  }
}

interface Disk {
  bsize: number
  blocks: number
  bavail: number
}

function disks(fastify: FastifyInstance): void {
  const folders = () => ({
    data: fastify.databaseState.folder,
    spool: path.dirname(fastify.databaseFiles)
  })
  const gauge = (name: string, help: string, bytesOf: (disk: Disk) => number) =>
    fastify.metrics.gauge({ name, help, label: 'folder', isOfService: true }, async () => {
      const all = Object.entries(folders()).filter(([, folder]) => folder !== undefined)
      const bytes = all.map(async ([of, folder]) => [of, bytesOf(await statfs(folder as string))])
      return Object.fromEntries(await Promise.all(bytes))
    })
  gauge(
    'library_disk_free_bytes',
    'Room on the disk of a folder, as far as this user may have it.',
    ({ bsize, bavail }) => bsize * bavail
  )
  gauge('library_disk_size_bytes', 'The size of the disk of a folder.', ({ bsize, blocks }) => bsize * blocks)
}
