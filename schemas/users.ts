import { type Static, Type } from '@sinclair/typebox'
import { PageOf, paging } from './pages.ts'
import { Nullable } from './text.ts'

/** A letter and a mark that can be seen, that is, no default-ignorable code point; without a look-ahead, to be proven linear. */
const LETTER = '[^\\P{L}\\p{DI}]'
const MARK = '[^\\P{M}\\p{DI}]'

export const Username = Type.String({
  minLength: 3,
  maxLength: 64,
  pattern: `^(?:${LETTER}|\\p{N})(?:${LETTER}|${MARK}|[\\p{N}._@+-])*$`,
  publishedPattern:
    '^[^\\x00-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7f][^\\x00-\\x2a\\x2c\\x2f\\x3a-\\x3f\\x5b-\\x5e\\x60\\x7b-\\x7f]*$',
  description:
    '3 to 64 letters, digits and . _ @ + -, with a letter or digit first and all of one script, or of Latin and those of one East Asian language; compared without case (NFKC) and by its look (Unicode UTS 39).',
  examples: ['salman']
})

const Password = Type.String({
  minLength: 15,
  maxLength: 128,
  // HTTP Basic does not carry control characters (RFC 7617), nor does @fastify/basic-auth line separators, which
  // RFC 8265 excludes from passwords too: nobody could log in with them.
  pattern: '^[^\\u0000-\\u001f\\u007f\\u2028\\u2029\\p{Cs}]*$',
  publishedPattern: '^[^\\x00-\\x1f\\x7f]*$',
  description:
    '15 to 128 characters of any kind but control characters and line separators; length is all that counts.',
  examples: ['midnight’s children 1981']
})

export const Registration = Type.Object(
  { username: Username, password: Password },
  {
    $id: 'Registration',
    additionalProperties: false,
    description: 'What a person gives to register.',
    examples: [{ username: 'salman', password: 'the moors last sigh' }]
  }
)

const Role = Type.Unsafe<'reader' | 'editor' | 'admin'>({
  type: 'string',
  enum: ['reader', 'editor', 'admin'],
  description: 'A reader reads, an editor keeps authors too, an admin manages users and all authors.'
})
const Disabled = Type.Boolean({ description: 'Whether the user is kept from logging in.' })

export const USER_EXAMPLE = {
  id: '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21',
  username: 'salman',
  role: 'editor',
  disabled: false,
  created_at: '2026-11-23T09:30:00.000Z'
}

export const User = Type.Object(
  {
    id: Type.String({ format: 'uuid', maxLength: 36 }),
    username: Type.String({ maxLength: 64 }),
    role: Role,
    disabled: Disabled,
    created_at: Type.String({ format: 'date-time', maxLength: 30 })
  },
  { $id: 'User', description: 'A registered user.', examples: [USER_EXAMPLE] }
)
export type User = Static<typeof User>

export const UserPage = PageOf(User, 'UserPage')

export const UserSearch = Type.Object(
  {
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'How the username begins, compared as usernames are: without case (NFKC). For admins.'
      })
    ),
    role: Type.Optional(
      Type.Unsafe<'reader' | 'editor' | 'admin'>({
        type: 'string',
        enum: ['reader', 'editor', 'admin'],
        description: 'The users of this role: `reader`, `editor` or `admin`. For admins.'
      })
    ),
    disabled: Type.Optional(
      Type.Boolean({
        description: '`true` for users who are kept from logging in, `false` for others. For admins.'
      })
    ),
    ...paging
  },
  { additionalProperties: false }
)

export const CreateUser = Type.Object(
  { username: Username, role: Type.Optional(Role) },
  {
    $id: 'CreateUser',
    additionalProperties: false,
    description: 'A user whom an admin creates: an editor, unless `role` says another.',
    examples: [{ username: 'vikram', role: 'reader' }]
  }
)

const ResetCodeText = Type.String({
  maxLength: 100,
  description: 'The one-time code for `POST /password-reset`. It is shown this once.'
})
const CodeExpiry = Type.String({
  format: 'date-time',
  maxLength: 30,
  description: 'Until when the code is good.'
})
const CODE_EXAMPLE = { reset_code: 'k7wq-3mzp-x9vd-t2hc-8rjn-5bfs-g4yk' }

export const NewUser = Type.Object(
  { ...User.properties, reset_code: Nullable(ResetCodeText), reset_code_expires_at: Nullable(CodeExpiry) },
  {
    $id: 'NewUser',
    description:
      'A user whom an admin has created, with the code by which the user sets a password; both are null when a request is repeated, for no code is shown twice.',
    examples: [{ ...USER_EXAMPLE, ...CODE_EXAMPLE, reset_code_expires_at: '2026-11-23T10:30:00.000Z' }]
  }
)

export const ResetCode = Type.Object(
  { reset_code: ResetCodeText, expires_at: CodeExpiry },
  {
    $id: 'ResetCode',
    description: 'A one-time code, by which a user sets a new password.',
    examples: [{ ...CODE_EXAMPLE, expires_at: '2026-11-23T10:30:00.000Z' }]
  }
)

export const UserParams = Type.Object({
  id: Type.String({ maxLength: 200, description: 'The user’s id.', examples: [USER_EXAMPLE.id] })
})

export const UserSessionParams = Type.Object({
  ...UserParams.properties,
  session: Type.String({ maxLength: 200, description: 'The session’s id.', examples: [USER_EXAMPLE.id] })
})

export const UserKeyParams = Type.Object({
  ...UserParams.properties,
  key: Type.String({ maxLength: 200, description: 'The key’s id.', examples: [USER_EXAMPLE.id] })
})

export const ChangeUser = Type.Object(
  { role: Type.Optional(Role), disabled: Type.Optional(Disabled) },
  {
    $id: 'ChangeUser',
    additionalProperties: false,
    minProperties: 1,
    description: 'What an admin changes of a user; what is left out stays.',
    examples: [{ role: 'reader' }]
  }
)
export type ChangeUser = Static<typeof ChangeUser>

/** Not that of the example of registration: who only presses Execute loses no account and no password. */
const NOT_REGISTERED = 'your current password'
const CurrentPassword = Type.String({ maxLength: 1000, description: 'The current password.' })

export const ChangePassword = Type.Object(
  { current_password: CurrentPassword, new_password: Password },
  {
    $id: 'ChangePassword',
    additionalProperties: false,
    description: 'The password that is, and the one that shall be.',
    examples: [{ current_password: NOT_REGISTERED, new_password: 'shalimar the clown' }]
  }
)

export const ConfirmPassword = Type.Object(
  { password: CurrentPassword },
  {
    $id: 'ConfirmPassword',
    additionalProperties: false,
    description: 'The current password, to confirm what cannot be undone.',
    examples: [{ password: NOT_REGISTERED }]
  }
)

export const ResetPassword = Type.Object(
  {
    username: Type.String({ maxLength: 64, description: 'The username.' }),
    code: Type.String({ maxLength: 100, description: 'The one-time code that the operator gave.' }),
    new_password: Password
  },
  {
    $id: 'ResetPassword',
    additionalProperties: false,
    description: 'A new password for somebody who has a code from the operator.',
    examples: [
      { username: 'salman', code: 'k7wq-3mzp-x9vd-t2hc-8rjn-5bfs-g4yk', new_password: 'shalimar the clown' }
    ]
  }
)
