import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { type Db, openKysely } from '../db/database.ts'
import { databaseFile } from '../db/dialect.ts'
import { migrateToLatest } from '../db/migrator.ts'

declare module 'fastify' {
  interface FastifyInstance {
    db: Db
  }
}

/** `fastify.db`: the migrated database that DATABASE_URL names, closed with the service. Throws `DatabaseRefused`. */
async function databasePlugin(fastify: FastifyInstance) {
  const db = await openKysely(databaseFile(fastify.config.DATABASE_URL))
  fastify.addHook('onClose', () => db.destroy())
  await migrateToLatest(db)
  fastify.decorate('db', db)
}

export default fp(databasePlugin, { name: 'database' })
