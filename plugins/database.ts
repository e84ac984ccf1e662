import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { workersOf } from '../config.ts'
import { type Database, openKysely } from '../db/database.ts'
import { databaseFile } from '../db/dialect.ts'
import { migrateToLatest, refuseOtherSchema } from '../db/migrator.ts'

declare module 'fastify' {
  interface FastifyInstance {
    db: Database
  }
  interface FastifyRequest {
    /** What `db.dataVersion()` said when this request first asked: an answer from any time after that is a right one. */
    dataVersion(): number
    seenDataVersion: number | undefined
  }
}

/** `fastify.db`: the migrated database that DATABASE_URL names, closed with the service. Throws `DatabaseRefused`. */
async function databasePlugin(fastify: FastifyInstance) {
  const { config, isJoining } = fastify
  const usage = { isInUse: isJoining, isShared: workersOf(config) > 1 }
  const db = await openKysely(databaseFile(config.DATABASE_URL), usage)
  fastify.addHook('onClose', () => db.destroy())
  await (isJoining ? refuseOtherSchema(db) : migrateToLatest(db))
  fastify.decorate('db', db)
  fastify.decorateRequest('seenDataVersion', undefined)
  fastify.decorateRequest('dataVersion', function dataVersion(this: FastifyRequest) {
    this.seenDataVersion ??= db.dataVersion()
    return this.seenDataVersion
  })
}

export default fp(databasePlugin, { name: 'database' })
