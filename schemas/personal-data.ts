import { Type } from '@sinclair/typebox'
import { AccountEntry } from './account-log.ts'
import { ApiKey } from './api-keys.ts'
import { Author } from './authors.ts'
import { OPERATIONS } from './changes.ts'
import { Ref } from './ref.ts'
import { Session } from './sessions.ts'
import { User } from './users.ts'

const Time = (description: string) => Type.String({ format: 'date-time', maxLength: 30, description })
const Count = (minimum: number, description: string) =>
  Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER, description })

/** As many as there are. */
const All = <T extends Parameters<typeof Type.Array>[0]>(item: T, description: string) =>
  Type.Array(item, { maxItems: 1_000_000_000, description })

const Limit = Type.Object(
  {
    limit: Type.String({ maxLength: 50, description: 'The name of the limit, as in `RateLimit-Policy`.' }),
    count: Count(0, 'How many tries were counted.'),
    until: Time('When that is forgotten.')
  },
  { title: 'CountedLimit' }
)

const { $id: _, ...AuthorAsAnswered } = Author

const KeptAnswer = Type.Object(
  {
    idempotency_key: Type.String({ maxLength: 255, description: 'The `Idempotency-Key` of the request.' }),
    answered_at: Time('When it was answered.'),
    status: Type.Integer({ minimum: 200, maximum: 599, description: 'The HTTP status of the answer.' }),
    author: Type.Unsafe<Author | null>({
      ...AuthorAsAnswered,
      title: 'Author',
      type: ['object', 'null'],
      description: 'The author in the answer, if it had one.'
    })
  },
  { title: 'KeptAnswer' }
)

const OwnChange = Type.Object(
  {
    sequence: Count(1, 'The number of the change.'),
    author_id: Type.String({ format: 'uuid', maxLength: 36 }),
    version: Count(
      1,
      'The version of the author that the change made, for `GET /authors/{author}?version=N`.'
    ),
    at: Time('When it was made.'),
    operation: Type.Unsafe<(typeof OPERATIONS)[number]>({ type: 'string', enum: OPERATIONS })
  },
  { title: 'OwnChange' }
)

export const PersonalData = Type.Object(
  {
    exported_at: Time('When it was asked for.'),
    account: Ref(User),
    password_reset_until: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      format: 'date-time',
      maxLength: 30,
      description: 'Until when a reset code from the operator is good; null where there is none.'
    }),
    limits: All(Limit, 'What is counted against guessing the password.'),
    sessions: All(Ref(Session), 'Sessions, also those that ended within 30 days.'),
    api_keys: All(Ref(ApiKey), 'API keys, without the keys themselves.'),
    account_log: All(
      Ref(AccountEntry),
      'What was done to your account, when, and by which user or operator.'
    ),
    answers: All(KeptAnswer, 'Answers that are kept for retries, for 24 hours.'),
    authors: All(Ref(Author), 'Authors that you own.'),
    changes: All(OwnChange, 'Changes of authors that you have made.')
  },
  {
    $id: 'PersonalData',
    description: 'All that is kept about a user.',
    examples: [
      {
        exported_at: '2026-11-23T10:00:00.000Z',
        account: User.examples?.[0],
        password_reset_until: null,
        limits: [{ limit: 'login', count: 1, until: '2026-11-23T10:15:00.000Z' }],
        sessions: Session.examples,
        api_keys: ApiKey.examples,
        account_log: AccountEntry.examples,
        answers: [
          {
            idempotency_key: 'my-first-anand',
            answered_at: '2026-11-23T09:31:00.000Z',
            status: 201,
            author: Author.examples?.[0]
          }
        ],
        authors: Author.examples,
        changes: [
          {
            sequence: 42,
            author_id: '019ab3f6-1d2e-7c44-9b1a-5e6f7a8b9c0d',
            version: 1,
            at: '2026-11-23T09:31:00.000Z',
            operation: 'created'
          }
        ]
      }
    ]
  }
)
