import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { BackupState } from '../../db/backups/state.ts'

declare module 'fastify' {
  interface FastifyInstance {
    backups: {
      /** What was last known of the backups that the service makes; undefined where it makes none. */
      status(): BackupState | undefined
    }
  }
}

/**
 * `fastify.backups`: with BACKUP_DIR the service makes backups by itself. Each process looks into the folder, and who finds that one is due
 * makes it while all others find the folder locked; on a server with a folder for each instance, the database itself lets one after the other.
 */
async function backupsPlugin(fastify: FastifyInstance) {
  let status: (() => BackupState) | undefined
  fastify.decorate('backups', { status: () => status?.() })
  if (fastify.config.BACKUP_DIR === '') return
  // Who makes none need not load what makes them.
  const { Schedule } = await import('./schedule.ts')
  const schedule = new Schedule(fastify)
  status = () => schedule.state
  // Not for a script, which has this service for a moment only.
  fastify.addHook('onListen', async () => schedule.begin())
  fastify.addHook('preClose', () => schedule.end())
}

export default fp(backupsPlugin, { name: 'backups', dependencies: ['database'] })
