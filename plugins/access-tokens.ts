import { randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { InvalidToken } from '../schemas/errors.ts'
import { AccessTokenClaims, AccessTokenHeader } from '../schemas/tokens.ts'

export interface AccessTokens {
  /** A signed token for this user, good for ACCESS_TOKEN_TTL seconds. */
  issue(userId: string): string
  /** The claims of a token that is ours and still good; throws `InvalidToken` for any other string. */
  verify(token: string): AccessTokenClaims
}

declare module 'fastify' {
  interface FastifyInstance {
    accessTokens: AccessTokens
  }
}

const NAME = 'library'
const VERIFIED_TOKENS_KEPT = 10_000
const CLOCK_LEEWAY_SECONDS = 60

const isOurHeader = TypeCompiler.Compile(AccessTokenHeader)
const areOurClaims = TypeCompiler.Compile(AccessTokenClaims)

/**
 * `fastify.accessTokens`: JWT access tokens after RFC 9068, signed with Ed25519 through @fastify/jwt.
 * A Map of verified tokens stands in front, for a signature check costs eight times the rest of a request;
 * refused tokens are never kept, so that nobody can fill it with rubbish.
 */
async function accessTokensPlugin(fastify: FastifyInstance) {
  const { signingKey, config } = fastify
  await fastify.register(jwt, {
    secret: { private: signingKey.private, public: signingKey.public },
    sign: {
      algorithm: 'EdDSA',
      kid: signingKey.kid,
      header: { typ: 'at+jwt', alg: 'EdDSA' },
      iss: NAME,
      aud: NAME,
      expiresIn: config.ACCESS_TOKEN_TTL
    },
    verify: { algorithms: ['EdDSA'], allowedIss: NAME, allowedAud: NAME, cache: false }
  })
  const verified = new Map<string, AccessTokenClaims>()

  function verify(token: string): AccessTokenClaims {
    const known = verified.get(token)
    if (known !== undefined && known.exp > nowInSeconds()) return known
    verified.delete(token)
    const claims = verifyAfresh(token)
    if (verified.size >= VERIFIED_TOKENS_KEPT) verified.delete(verified.keys().next().value as string)
    verified.set(token, claims)
    return claims
  }

  function verifyAfresh(token: string): AccessTokenClaims {
    const { header, claims } = decode(token)
    if (!isOurHeader.Check(header) || header.kid !== signingKey.kid) throw new InvalidToken()
    if (!areOurClaims.Check(claims) || claims.iat > nowInSeconds() + CLOCK_LEEWAY_SECONDS)
      throw new InvalidToken()
    try {
      fastify.jwt.verify(token)
    } catch {
      throw new InvalidToken()
    }
    return claims
  }

  fastify.decorate('accessTokens', {
    issue: (userId) => fastify.jwt.sign({ sub: userId, jti: randomUUID() }),
    verify
  })
}

/** The two JSON parts; each of the three parts must be canonical base64url, so that a token has one spelling only. */
function decode(token: string): { header: unknown; claims: unknown } {
  const parts = token.split('.')
  if (parts.length !== 3 || !parts.every(isCanonicalBase64Url)) throw new InvalidToken()
  try {
    return { header: parseBase64Url(parts[0]), claims: parseBase64Url(parts[1]) }
  } catch {
    throw new InvalidToken()
  }
}

function isCanonicalBase64Url(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function parseBase64Url(part = ''): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString())
}

function nowInSeconds(): number {
  return Date.now() / 1000
}

export default fp(accessTokensPlugin, { name: 'access-tokens', dependencies: ['signing-key'] })
