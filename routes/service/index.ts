import { statfs } from 'node:fs/promises'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { timesOf } from '../../db/backups/state.ts'
import { countContents } from '../../db/contents.ts'
import { AccessTokenOnly, RoleRequired } from '../../schemas/errors.ts'
import { answer } from '../../schemas/ref.ts'
import { ServiceStatus } from '../../schemas/service-status.ts'

/** What an operator without a shell wants to know. */
const service: FastifyPluginAsyncTypebox = async (fastify) => {
  const { backups, build, databaseState, db, rateLimits, signingKeys } = fastify
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.administer)

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'getServiceStatus',
      tags: ['service'],
      summary: 'What runs here and how it does, for admins',
      description:
        'For admins with an access token. Version, uptime, sizes, backups, limits that were hit, and the age of the keys; with several processes, of the one that answers.',
      response: { 200: answer('The state of the service.', ServiceStatus) }
    },
    config: { errors: [RoleRequired, AccessTokenOnly] },
    handler: async (request) => {
      const { version, commit, startedAt } = build
      const made = backups.status()
      request.log.info(
        { event: 'service_status_read', by: request.user.id },
        'the state of the service was read'
      )
      return {
        version,
        commit,
        node: process.version,
        engine: databaseState.engineName,
        started_at: startedAt,
        uptime_seconds: Math.floor(process.uptime()),
        database: await sizesOf(databaseState),
        counts: await countContents(db),
        backups: made ? timesOf(made) : null,
        limits: rateLimits.refused(),
        keys: signingKeys.ages()
      }
    }
  })
}

async function sizesOf(state: FastifyInstance['databaseState']) {
  const sizes = await state.sizes()
  const disk = state.folder === undefined ? undefined : await statfs(state.folder)
  return {
    bytes: sizes.data,
    log_bytes: sizes.log ?? null,
    free_bytes: disk === undefined ? null : disk.bavail * disk.bsize
  }
}

export default service
