import type { FastifyInstance } from 'fastify'

/** What a plugin that makes backups tells of them. */
interface Backups {
  status(): { lastVerifiedAt?: string | undefined }
}

/** Nothing is told where no backups are made by the service itself. */
export function measureBackups(fastify: FastifyInstance): void {
  fastify.metrics.gauge(
    {
      name: 'library_backup_verified_timestamp_seconds',
      help: 'When the last backup was made that was verified.',
      isOfService: true
    },
    () => {
      const { backups } = fastify as { backups?: Backups }
      const at = backups?.status().lastVerifiedAt
      return at === undefined ? undefined : Date.parse(at) / 1000
    }
  )
}
