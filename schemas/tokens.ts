import { type Static, Type } from '@sinclair/typebox'

const REFRESH_EXAMPLE = 'lrt_019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21.Zm9v.YmFy'

/** A successful token response (RFC 6749 section 5.1). */
export const TokenResponse = Type.Object(
  {
    access_token: Type.String({
      maxLength: 2000,
      description: 'Send it as `Authorization: Bearer <access_token>`.'
    }),
    token_type: Type.Unsafe<'Bearer'>({ type: 'string', enum: ['Bearer'] }),
    expires_in: Type.Integer({ minimum: 1, maximum: 86400, description: 'Seconds until the token expires.' }),
    refresh_token: Type.String({
      maxLength: 200,
      description: 'Exchange it at `POST /refresh` for the next pair, once.'
    })
  },
  {
    $id: 'TokenResponse',
    description: 'An access token.',
    examples: [
      {
        access_token: 'eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl',
        token_type: 'Bearer',
        expires_in: 600,
        refresh_token: REFRESH_EXAMPLE
      }
    ]
  }
)

export const Refresh = Type.Object(
  { refresh_token: Type.String({ maxLength: 500, description: 'The newest refresh token of the session.' }) },
  {
    $id: 'Refresh',
    additionalProperties: false,
    description: 'A refresh token, to be exchanged for the next pair.',
    examples: [{ refresh_token: REFRESH_EXAMPLE }]
  }
)

export const LogoutQuery = Type.Object(
  {
    scope: Type.Optional(
      Type.Unsafe<'this' | 'all' | 'others'>({
        type: 'string',
        enum: ['this', 'all', 'others'],
        default: 'this',
        description: 'Which of my sessions to end.'
      })
    )
  },
  { additionalProperties: false }
)

/** The JOSE header of our access tokens; anything else in it (`crit`, `jku`, `jwk`) makes the token invalid. */
export const AccessTokenHeader = Type.Object(
  { alg: Type.Literal('EdDSA'), typ: Type.Literal('at+jwt'), kid: Type.String() },
  { additionalProperties: false }
)

/** The claims of our access tokens (RFC 9068), all required. */
export const AccessTokenClaims = Type.Object(
  {
    iss: Type.Literal('library'),
    aud: Type.Literal('library'),
    sub: Type.String(),
    sid: Type.String(),
    jti: Type.String(),
    iat: Type.Integer(),
    exp: Type.Integer()
  },
  { additionalProperties: false }
)
export type AccessTokenClaims = Static<typeof AccessTokenClaims>
