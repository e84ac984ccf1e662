import { Type } from '@sinclair/typebox'
import { backupTimes } from './service.ts'
import { Nullable } from './text.ts'

const Bytes = (description: string) =>
  Nullable(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }))
const Count = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const Time = (description: string) => Type.String({ format: 'date-time', maxLength: 30, description })

const EXAMPLE = {
  version: '1.2.0',
  commit: '1f1ebfe0c4d2',
  node: 'v24.21.0',
  engine: 'sqlite',
  started_at: '2026-11-23T09:30:00.000Z',
  uptime_seconds: 86400,
  database: { bytes: 94371840, log_bytes: 4194304, free_bytes: 21474836480 },
  counts: { authors: 100000, users: 12 },
  backups: { last_verified_at: '2026-11-24T09:00:00.000Z', last_failed_at: null },
  limits: { login: 3 },
  keys: [{ kid: 'k1', active_from: '2026-11-01T00:00:00.000Z', age_seconds: 1936200 }]
}

export const ServiceStatus = Type.Object(
  {
    version: Type.String({ maxLength: 50 }),
    commit: Nullable(Type.String({ maxLength: 64, description: 'Null where it is not known.' })),
    node: Type.String({ maxLength: 50, description: 'The version of Node.js.' }),
    engine: Type.String({ maxLength: 50, description: 'What keeps the data: `sqlite` or `postgres`.' }),
    started_at: Time('When the process that answers was started.'),
    uptime_seconds: Count('For how long it has run.'),
    database: Type.Object(
      {
        bytes: Bytes('What the data take; null where that is not known.'),
        log_bytes: Bytes('What the write-ahead log beside it takes.'),
        free_bytes: Bytes('What is free on its disk, if that is on this machine.')
      },
      { title: 'DatabaseSizes' }
    ),
    counts: Type.Object(
      { authors: Count('Authors that are there.'), users: Count('Accounts.') },
      { title: 'ServiceCounts' }
    ),
    backups: Nullable(
      Type.Object(backupTimes, {
        title: 'BackupTimes',
        description: 'The backups that the service makes by itself; null where it makes none.'
      })
    ),
    limits: Type.Unsafe<Record<string, number>>({
      type: 'object',
      additionalProperties: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      description: 'How often this process has refused somebody because of each limit, since it was started.'
    }),
    keys: Type.Array(
      Type.Object(
        {
          kid: Type.String({ maxLength: 100, description: 'The id of a key that signs or verifies tokens.' }),
          active_from: Time('Since when it signs, or from when on it will.'),
          age_seconds: Count('For how long that has been.')
        },
        { title: 'KeyAge' }
      ),
      { maxItems: 1000 }
    )
  },
  { $id: 'ServiceStatus', description: 'What runs here, and how it does.', examples: [EXAMPLE] }
)
