import { Type } from '@sinclair/typebox'

const Address = (description: string) => Type.String({ maxLength: 100, description })

export const Service = Type.Object(
  {
    name: Type.String({ maxLength: 50 }),
    links: Type.Object({
      docs: Type.Optional(Address('The documentation, for people.')),
      openapi: Type.Optional(Address('The OpenAPI 3.1 document.')),
      problems: Address('Every kind of problem that can be answered.'),
      register: Address('POST a username and a password here.'),
      login: Address('POST here with HTTP Basic for a token.'),
      authors: Address('The catalogue.')
    })
  },
  {
    $id: 'Service',
    description: 'What this service is and where its parts are.',
    examples: [
      {
        name: 'Library API',
        links: {
          docs: '/docs',
          openapi: '/openapi.json',
          problems: '/problems',
          register: '/register',
          login: '/login',
          authors: '/authors'
        }
      }
    ]
  }
)

export const Health = Type.Object(
  { status: Type.Unsafe<'ok'>({ type: 'string', enum: ['ok'] }) },
  { $id: 'Health', description: 'The service can do its work.', examples: [{ status: 'ok' }] }
)

const Moment = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', maxLength: 30, description })

/** What is known of the backups that the service makes by itself. */
export const backupTimes = {
  last_verified_at: Moment('The moment that the newest verified backup is of; null before the first.'),
  last_failed_at: Moment('When a backup failed since then; null where none has.')
}

export const Readiness = Type.Object(
  {
    status: Type.Unsafe<'ok'>({ type: 'string', enum: ['ok'] }),
    backups: Type.Optional(
      Type.Object(backupTimes, {
        description:
          'There where the service makes backups by itself. One that fails does not make it not ready.'
      })
    )
  },
  {
    $id: 'Readiness',
    description: 'The service can reach its data.',
    examples: [
      { status: 'ok' },
      { status: 'ok', backups: { last_verified_at: '2026-11-26T14:00:00.000Z', last_failed_at: null } }
    ]
  }
)

export const OpenApiDocument = Type.Object(
  { openapi: Type.String({ maxLength: 20 }) },
  {
    $id: 'OpenApiDocument',
    additionalProperties: true,
    description: 'An OpenAPI 3.1 document.',
    examples: [{ openapi: '3.1.0' }]
  }
)
