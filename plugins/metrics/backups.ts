import type { FastifyInstance } from 'fastify'

/** Nothing is told where the service makes no backups. */
export function measureBackups(service: Pick<FastifyInstance, 'backups' | 'metrics'>): void {
  const { metrics } = service
  metrics.gauge(
    {
      name: 'library_backup_verified_timestamp_seconds',
      help: 'When the last backup was made that was verified.',
      isOfService: true
    },
    () => {
      const lastAt = service.backups.status()?.lastAt
      return lastAt && lastAt.getTime() / 1000
    }
  )
  metrics.gauge(
    {
      name: 'library_backup_failed',
      help: 'Whether a backup has failed since the last that was verified: 1 or 0.',
      isOfService: true
    },
    () => {
      const now = service.backups.status()
      return now && (now.failure === undefined ? 0 : 1)
    }
  )
}
