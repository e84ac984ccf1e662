import { Type } from '@sinclair/typebox'
import { PageOf } from './pages.ts'
import { asStored, Nullable, Text } from './text.ts'

const Name = Text({
  maxLength: 100,
  description: 'What the key is for, 1 to 100 characters.',
  examples: ['nightly export']
})
const Scope = Type.Unsafe<'read' | 'write'>({
  type: 'string',
  enum: ['read', 'write'],
  description: 'Whether the key may only read, or write authors too.'
})
const ExpiresAt = Nullable(
  Type.String({
    format: 'date-time',
    maxLength: 40,
    description: 'Until when the key is good, in the future; null for no end.'
  })
)

export const CreateApiKey = Type.Object(
  { name: Name, scope: Scope, expires_at: Type.Optional(ExpiresAt) },
  {
    $id: 'CreateApiKey',
    additionalProperties: false,
    description: 'A new key for a script.',
    examples: [{ name: 'nightly export', scope: 'read', expires_at: null }]
  }
)

const KEY_EXAMPLE = {
  id: '019ab3f7-2b3c-7a11-9c5d-0e1f2a3b4c5d',
  name: 'nightly export',
  scope: 'read',
  created_at: '2026-11-23T09:30:00.000Z',
  expires_at: null,
  last_used_at: null
}

const shown = {
  id: Type.String({ format: 'uuid', maxLength: 36 }),
  name: asStored(Name),
  scope: Scope,
  created_at: Type.String({ format: 'date-time', maxLength: 30 }),
  expires_at: ExpiresAt,
  last_used_at: Nullable(
    Type.String({ format: 'date-time', maxLength: 30, description: 'When it was last used, to the hour.' })
  )
}

export const ApiKey = Type.Object(shown, {
  $id: 'ApiKey',
  description: 'A key for a script, without the key itself.',
  examples: [KEY_EXAMPLE]
})

export const NewApiKey = Type.Object(
  {
    ...shown,
    key: Type.String({
      maxLength: 60,
      description: 'The key. It is shown this once: send it as `Authorization: Bearer <key>`.'
    })
  },
  {
    $id: 'NewApiKey',
    description: 'A key for a script, with the key itself.',
    examples: [{ ...KEY_EXAMPLE, key: 'library_…' }]
  }
)

export const ApiKeyPage = PageOf(ApiKey, 'ApiKeyPage')

export const ApiKeyParams = Type.Object({
  id: Type.String({ maxLength: 200, description: 'The key’s id.', examples: [KEY_EXAMPLE.id] })
})
