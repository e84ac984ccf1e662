import { randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyError, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { CLOCK_LEEWAY_MS } from '../db/clock.ts'
import { expired, InvalidToken } from '../schemas/errors.ts'
import { AccessTokenClaims, AccessTokenHeader } from '../schemas/tokens.ts'
import type { SigningKey } from './signing-keys/key-ring.ts'

/** Who a token is for, and the id of their session; `jti` and `iat` for a token that must come out the same again. */
export type Bearer = Pick<AccessTokenClaims, 'sub' | 'sid'> & Partial<Pick<AccessTokenClaims, 'jti' | 'iat'>>

export interface AccessTokens {
  /** A signed token for this user in this session, good for ACCESS_TOKEN_TTL seconds. */
  issue(bearer: Bearer): string
  /**
   * The claims of a token that is ours and still good; throws `InvalidToken` for any other string, which for one that has expired says
   * when. A promise where a server is asked for a key that is not known yet.
   */
  verify(token: string): AccessTokenClaims | Promise<AccessTokenClaims>
}

declare module 'fastify' {
  interface FastifyInstance {
    accessTokens: AccessTokens
  }
}

/** A token's claims, and the key that they were verified with: when that key goes, so do they. */
interface Verified {
  claims: AccessTokenClaims
  kid: string
}

const NAME = 'library'
const VERIFIED_TOKENS_KEPT = 10_000
const CLOCK_LEEWAY_SECONDS = CLOCK_LEEWAY_MS / 1000

const isOurHeader = TypeCompiler.Compile(AccessTokenHeader)
const areOurClaims = TypeCompiler.Compile(AccessTokenClaims)

/**
 * `fastify.accessTokens`: JWT access tokens after RFC 9068, signed with Ed25519 through @fastify/jwt.
 * A Map of verified tokens stands in front, because a signature check costs eight times the rest of a request;
 * refused tokens are never kept, so that nobody can fill it with rubbish.
 */
async function accessTokensPlugin(fastify: FastifyInstance) {
  const { signingKeys } = fastify
  const { sign, verify } = await registerLibrary(fastify)
  const verified = new Map<string, Verified>()

  function isStillGood({ claims, kid }: Verified): boolean {
    return claims.exp > nowInSeconds() && !isOfTheFuture(claims) && signingKeys.known(kid) !== undefined
  }

  function verifyWith(key: SigningKey | undefined, token: string, claims: AccessTokenClaims) {
    if (key === undefined) throw new InvalidToken()
    verify(token, key, claims)
    if (verified.size >= VERIFIED_TOKENS_KEPT) verified.delete(verified.keys().next().value as string)
    verified.set(token, { claims, kid: key.kid })
    return claims
  }

  function verifyAfresh(token: string): AccessTokenClaims | Promise<AccessTokenClaims> {
    const { kid, claims } = parse(token)
    const key = signingKeys.find(kid)
    if (key instanceof Promise) return key.then((found) => verifyWith(found, token, claims))
    return verifyWith(key, token, claims)
  }

  fastify.decorate('accessTokens', {
    issue: (bearer) => sign({ jti: randomUUID(), ...bearer }, signingKeys.active()),
    verify: (token) => {
      const known = verified.get(token)
      if (known !== undefined && isStillGood(known)) return known.claims
      verified.delete(token)
      return verifyAfresh(token)
    }
  })
}

/**
 * @fastify/jwt, signing and verifying with a key of the set. It keeps a signer and a verifier only for the key that it was
 * registered with; for another key it makes them each time, which is why that one is used without naming it.
 */
async function registerLibrary(fastify: FastifyInstance) {
  const { signingKeys, config } = fastify
  const startKey = signingKeys.active()
  await fastify.register(jwt, {
    secret: { private: startKey.private, public: startKey.public },
    sign: {
      algorithm: 'EdDSA',
      kid: startKey.kid,
      header: { typ: 'at+jwt', alg: 'EdDSA' },
      iss: NAME,
      aud: NAME,
      expiresIn: config.ACCESS_TOKEN_TTL
    },
    verify: { algorithms: ['EdDSA'], allowedIss: NAME, allowedAud: NAME, cache: false }
  })

  function sign(claims: Bearer & { jti: string }, { kid, private: key }: SigningKey): string {
    return fastify.jwt.sign(claims, kid === startKey.kid ? undefined : { key, kid })
  }

  function verify(token: string, { kid, public: key }: SigningKey, { exp }: AccessTokenClaims): void {
    try {
      fastify.jwt.verify(token, kid === startKey.kid ? undefined : { key })
    } catch (error) {
      const hasExpired = (error as FastifyError).code === 'FAST_JWT_EXPIRED'
      throw hasExpired ? expired('access token', new Date(exp * 1000).toISOString()) : new InvalidToken()
    }
  }

  return { sign, verify }
}

/** What a token says, of which nothing is proven yet but that it is one of ours in its form. */
function parse(token: string): Verified {
  const { header, claims } = decode(token)
  if (!isOurHeader.Check(header) || !areOurClaims.Check(claims)) throw new InvalidToken()
  if (isOfTheFuture(claims)) throw new InvalidToken()
  return { claims, kid: header.kid }
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

/** It was issued by a clock that has been set back since, and would be good for too long. */
function isOfTheFuture({ iat }: AccessTokenClaims): boolean {
  return iat > nowInSeconds() + CLOCK_LEEWAY_SECONDS
}

function nowInSeconds(): number {
  return Date.now() / 1000
}

export default fp(accessTokensPlugin, { name: 'access-tokens', dependencies: ['signing-keys'] })
