import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config.ts'
import type { Claim } from '../db/claim.ts'
import type { Contents } from '../db/contents.ts'
import { describeDatabase } from '../db/dialect.ts'
import { readBuild } from '../plugins/build/version.ts'

/** What a start has found. */
export interface Started extends Contents {
  address: string
  /** The address of the metrics, where they are served. */
  metrics?: string | undefined
}

/** The first line of the log: what starts here. */
export function logStart(log: FastifyBaseLogger): void {
  log.info({ event: 'service_starting', ...readBuild(), node: process.version }, 'the service starts')
}

/** Says where everything is, and what data there is. */
export function announce(
  { address, metrics, authors, users }: Started,
  { config, log, isNew, servedBy }: { config: Config; log: FastifyBaseLogger } & Claim
): void {
  const database = describeDatabase(config.DATABASE_URL)
  const isFirst = isNew ?? (authors === 0 && users === 0)
  log.info({ event: 'data_opened', database, new: isFirst, authors, users }, 'the service has its data')
  if (servedBy !== undefined) {
    log.warn(
      { event: 'database_shared', database, pid: servedBy },
      'another service has this database too: both are right, and WORKERS is the way to have more processes over one file'
    )
  }
  console.log(`Library API   ${address}`)
  console.log(`docs          ${address}/docs`)
  if (metrics !== undefined) console.log(`metrics       ${metrics}`)
  console.log(
    `data          ${database} (${isFirst ? 'new' : `${count(authors, 'author')}, ${count(users, 'user')}`})`
  )
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}
