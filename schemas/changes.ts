import { Type } from '@sinclair/typebox'
import { Author } from './authors.ts'
import { including, Limit, PageOf, paging, UserName } from './pages.ts'

export const OPERATIONS = [
  'created',
  'replaced',
  'patched',
  'deleted',
  'restored',
  'disowned',
  'purged'
] as const

/** A number in the change log. */
const Sequence = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })

const EXAMPLE = {
  sequence: 42,
  author_id: '019ab3f6-1d2e-7c44-9b1a-5e6f7a8b9c0d',
  version: 1,
  actor_id: '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21',
  at: '2026-11-23T09:31:00.000Z',
  operation: 'created',
  record: Author.examples?.[0]
}

const { $id: _, ...AuthorAsItWas } = Author

export const Change = Type.Object(
  {
    sequence: Sequence(
      'The number of the change; it grows with each. Changes that were purged leave their numbers out.'
    ),
    author_id: Type.String({ format: 'uuid', maxLength: 36 }),
    version: Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'The version of the author that the change made.'
    }),
    actor_id: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      format: 'uuid',
      maxLength: 36,
      description: 'The user who did it; null where that is not known.'
    }),
    actor_name: UserName('The username of who did it'),
    at: Type.String({ format: 'date-time', maxLength: 30 }),
    operation: Type.Unsafe<(typeof OPERATIONS)[number]>({
      type: 'string',
      enum: OPERATIONS,
      description:
        'What was done; `disowned` when the account of the owner was deleted, `purged` when the author was erased for good: erase it too.'
    }),
    record: Type.Unsafe<Author | null>({
      ...AuthorAsItWas,
      title: 'Author',
      type: ['object', 'null'],
      description: 'The author after the change; null once it is deleted or purged.'
    })
  },
  { $id: 'Change', description: 'A change of an author.', examples: [EXAMPLE] }
)

export const ChangePage = PageOf(Change, 'ChangePage')

export const HistoryQuery = Type.Object({ ...including, ...paging }, { additionalProperties: false })

export const ChangesQuery = Type.Object(
  {
    since: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        default: 0,
        description: 'The changes after this sequence number; 0 for all.'
      })
    ),
    ...including,
    limit: Limit
  },
  { additionalProperties: false }
)

export const StreamQuery = Type.Object(
  {
    since: Type.Optional(
      Sequence('The changes after this sequence number; left out, only those that are still to come.')
    )
  },
  { additionalProperties: false }
)

export const StreamHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      maxLength: 16,
      pattern: '^[0-9]{1,16}$',
      description: 'The id of the last event that was received, to go on after it; it comes before `since`.'
    })
  )
})

export const ChangeStream = Type.String({
  $id: 'ChangeStream',
  maxLength: 1_000_000_000,
  description:
    'Server-sent events: the `id` is the sequence number, the `event` the operation, the `data` the change. A comment every 15 seconds keeps the connection open.',
  examples: [`id: 42\nevent: created\ndata: ${JSON.stringify(EXAMPLE)}\n\n`]
})
