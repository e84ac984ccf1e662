import { Type } from '@sinclair/typebox'
import { PageOf } from './pages.ts'
import { USER_EXAMPLE } from './users.ts'

const ACTIONS = [
  'registered',
  'created',
  'role_changed',
  'disabled',
  'enabled',
  'password_changed',
  'reset_code_created',
  'password_reset',
  'unlocked',
  'sessions_ended',
  'key_created',
  'key_revoked',
  'deleted'
] as const
const OldOrNewRole = (description: string) =>
  Type.Unsafe<'reader' | 'editor' | 'admin' | null>({
    type: ['string', 'null'],
    enum: ['reader', 'editor', 'admin', null],
    description
  })
const IdOrNull = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'uuid', maxLength: 36, description })

export const AccountEntry = Type.Object(
  {
    entry: Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'The number of the entry; the first of an account is 1.'
    }),
    at: Type.String({ format: 'date-time', maxLength: 30 }),
    action: Type.Unsafe<(typeof ACTIONS)[number]>({
      type: 'string',
      enum: ACTIONS,
      description: 'What was done; `password_reset` took all sessions and API keys away too.'
    }),
    actor_id: IdOrNull('The user who did it; null where the operator did.'),
    operator: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      maxLength: 400,
      description: 'The account and host of the operator who did it by a command; null where a user did.'
    }),
    old_role: OldOrNewRole('The role before; null where none was changed, or the user is gone.'),
    new_role: OldOrNewRole('The role from then on; null where none was given, or the user is gone.'),
    key_id: IdOrNull(
      'The API key that was created or revoked; null where there was none, or the user is gone.'
    )
  },
  {
    $id: 'AccountEntry',
    description: 'What was done to an account.',
    examples: [
      {
        entry: 2,
        at: '2026-11-24T10:00:00.000Z',
        action: 'role_changed',
        actor_id: USER_EXAMPLE.id,
        operator: null,
        old_role: 'editor',
        new_role: 'reader',
        key_id: null
      }
    ]
  }
)

export const AccountEntryPage = PageOf(AccountEntry, 'AccountEntryPage')
