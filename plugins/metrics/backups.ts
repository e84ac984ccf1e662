import type { Instruments } from './instruments.ts'

/** What the plugin that makes backups tells of them, where there is one and it makes some. */
interface BackupState {
  /** Of the newest that was verified. */
  lastAt: Date | undefined
  /** Since then. */
  failure: object | undefined
}

interface Service {
  metrics: Instruments
  backups?: { status(): BackupState | undefined }
}

/** Nothing is told where the service makes no backups. */
export function measureBackups(service: Service): void {
  const { metrics } = service
  const state = () => service.backups?.status()
  metrics.gauge(
    {
      name: 'library_backup_verified_timestamp_seconds',
      help: 'When the last backup was made that was verified.',
      isOfService: true
    },
    () => {
      const lastAt = state()?.lastAt
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
      const now = state()
      return now && (now.failure === undefined ? 0 : 1)
    }
  )
}
