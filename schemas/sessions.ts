import { Type } from '@sinclair/typebox'
import { PageOf } from './pages.ts'
import { Nullable } from './text.ts'

const Time = (description: string) => Type.String({ format: 'date-time', maxLength: 30, description })

export const Session = Type.Object(
  {
    id: Type.String({ format: 'uuid', maxLength: 36 }),
    current: Type.Boolean({ description: 'Whether it is the session of this request.' }),
    user_agent: Nullable(
      Type.String({ maxLength: 300, description: 'What the client called itself at the login.' })
    ),
    created_at: Time('When it began, with a login.'),
    last_used_at: Time('When it was last refreshed.'),
    expires_at: Time('When it ends at the latest.'),
    ended_at: Nullable(Time('When it was ended before its time.')),
    end_reason: Nullable(
      Type.Unsafe<string>({
        type: 'string',
        maxLength: 30,
        description:
          'Why: `logout`, `revoked`, `password_changed`, `password_reset`, `disabled`, `ended_by_admin`, or `token_reused`: somebody used a spent refresh token.'
      })
    )
  },
  {
    $id: 'Session',
    description: 'One login and what came of it.',
    examples: [
      {
        id: '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21',
        current: true,
        user_agent: 'curl/8.5.0',
        created_at: '2026-11-23T09:30:00.000Z',
        last_used_at: '2026-11-23T09:30:00.000Z',
        expires_at: '2026-12-23T09:30:00.000Z',
        ended_at: null,
        end_reason: null
      }
    ]
  }
)

export const SessionPage = PageOf(Session, 'SessionPage')

export const SessionParams = Type.Object({
  id: Type.String({
    maxLength: 200,
    description: 'The session’s id.',
    examples: ['019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21']
  })
})
