import { generateKeyPairSync, sign } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { SigningKey } from '../../plugins/signing-keys/key-ring.ts'
import { newKey, type StoredKey } from '../../plugins/signing-keys/key-set.ts'
import { test } from '../engines.ts'
import { buildApp, directly, listen, signIn } from '../helpers.ts'
import { rotateKeys, storeOf } from '../key-stores.ts'

type Json = Record<string, unknown> | unknown[]

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token with these parts, signed with the service's own key unless another is given. */
function forge(
  server: FastifyInstance,
  header: Json,
  claims: Json,
  key = server.signingKeys.active().private
): string {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`
}

/** The parts of a token like this one, with an id and times of its own. */
function goodParts(token: string) {
  const { header, claims } = parse(token)
  const now = Math.floor(Date.now() / 1000)
  return { header, claims: { ...claims, jti: 'x', iat: now, exp: now + 60 } }
}

function parse(token: string) {
  const [header, claims] = token
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
  return { header, claims }
}

/** Rotates the keys, and lets the service take them over. */
async function rotateAndReload(server: FastifyInstance, announceSeconds = 0): Promise<StoredKey> {
  const key = await rotateKeys(server, announceSeconds)
  await server.signingKeys.reload()
  return key
}

function setClock(t: Test, aheadSeconds: number): void {
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() + aheadSeconds * 1000
}

function isInvalidToken(
  t: Test,
  answer: { statusCode: number; headers: object; json(): object },
  title: string
) {
  t.equal(answer.statusCode, 401, title)
  t.match(answer.headers, { 'www-authenticate': /^Bearer realm="library", error="invalid_token"/ }, title)
  t.match(answer.json(), { code: 'INVALID_TOKEN' }, title)
}

test('a token carries what RFC 9068 asks for, and nothing secret', async (t) => {
  const server = await buildApp(t)
  const { id, token } = await signIn(server)
  const { header, claims } = parse(token)
  t.strictSame(header, { alg: 'EdDSA', typ: 'at+jwt', kid: server.signingKeys.active().kid })
  t.strictSame(Object.keys(claims).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub'])
  t.match(claims, { sub: id, exp: claims.iat + server.config.ACCESS_TOKEN_TTL })
})

test('without a bearer token the challenge is bare', async (t) => {
  const server = await buildApp(t)
  for (const authorization of [undefined, 'Basic eDp5', 'Digest x', 'token abc']) {
    const answer = await server.inject({
      url: '/me',
      headers: authorization === undefined ? {} : { authorization }
    })
    t.equal(answer.statusCode, 401)
    t.equal(answer.headers['www-authenticate'], 'Bearer realm="library"', String(authorization))
    t.match(answer.json(), { code: 'TOKEN_REQUIRED' })
  }
  const { token } = await signIn(server)
  const inQuery = await server.inject(`/me?access_token=${token}`)
  t.equal(inQuery.statusCode, 401, 'a token in the query is not looked at')
})

test('the scheme is taken in any case', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const answer = await server.inject({ url: '/me', headers: { authorization: `bearer ${token}` } })
  t.equal(answer.statusCode, 200)
})

test('every way in which a token can be bad is 401 invalid_token', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const { header, claims } = goodParts(token)
  const [head, body, signature] = token.split('.') as [string, string, string]
  const now = Math.floor(Date.now() / 1000)
  const pair = generateKeyPairSync('ed25519')
  const other = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const otherPublic = pair.publicKey.export({ format: 'jwk' })
  const withHeader = (changes: object) => forge(server, { ...header, ...changes }, claims)
  const withClaims = (changes: object) => forge(server, header, { ...claims, ...changes })
  const without = (claim: string) =>
    forge(server, header, Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim)))

  const bad: Record<string, string> = {
    empty: '',
    garbage: 'garbage',
    'three garbage parts': 'a.b.c',
    'two parts': `${head}.${body}`,
    'four parts': `${token}.x`,
    'no signature': `${head}.${body}.`,
    'alg none': `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(claims)}.`,
    'alg none, right header': `${encode({ ...header, alg: 'none' })}.${encode(claims)}.${signature}`,
    'another key': forge(server, header, claims, other),
    'another kid': withHeader({ kid: 'other' }),
    'kid as a path': withHeader({ kid: '../../etc/passwd' }),
    'kid as a path to the key file': withHeader({ kid: `${server.databaseFiles}.keys.json` }),
    'kid as SQL': withHeader({ kid: "' or 1=1 --" }),
    'kid as a property of every object': withHeader({ kid: '__proto__' }),
    'kid empty': withHeader({ kid: '' }),
    'kid a number': withHeader({ kid: 0 }),
    'kid a list': withHeader({ kid: [header.kid] }),
    'no kid': forge(server, { alg: 'EdDSA', typ: 'at+jwt' }, claims),
    'wrong alg': withHeader({ alg: 'HS256' }),
    'wrong typ': withHeader({ typ: 'JWT' }),
    crit: withHeader({ crit: ['exp'] }),
    'odd crit': withHeader({ crit: 'x' }),
    jku: withHeader({ jku: 'https://evil.example/keys' }),
    x5u: withHeader({ x5u: 'https://evil.example/keys' }),
    jwk: withHeader({ jwk: otherPublic }),
    'jwk of the key that signed it': forge(server, { ...header, jwk: otherPublic }, claims, other),
    'only a jwk': forge(server, { alg: 'EdDSA', typ: 'at+jwt', jwk: otherPublic }, claims, other),
    'header not JSON': `${Buffer.from('x').toString('base64url')}.${body}.${signature}`,
    'payload not UTF-8': `${head}.${Buffer.from([0xff, 0xfe]).toString('base64url')}.${signature}`,
    'header not an object': forge(server, [], claims),
    'array payload': forge(server, header, [claims]),
    'null payload': forge(server, header, null as never),
    'changed payload': `${head}.${encode({ ...claims, sub: 'x' })}.${signature}`,
    expired: withClaims({ iat: now - 120, exp: now - 60 }),
    'expires now': withClaims({ exp: now }),
    'exp a string': withClaims({ exp: String(now + 60) }),
    'exp an object': withClaims({ exp: {} }),
    'exp null': withClaims({ exp: null }),
    'exp a fraction': withClaims({ exp: now + 60.5 }),
    'nbf odd': withClaims({ nbf: 'tomorrow' }),
    'nbf in the future': withClaims({ nbf: now + 600 }),
    'iat in the future': withClaims({ iat: now + 600, exp: now + 1200 }),
    'wrong issuer': withClaims({ iss: 'other' }),
    'wrong audience': withClaims({ aud: 'other' }),
    'audience a list': withClaims({ aud: ['library'] }),
    'sub a number': withClaims({ sub: 1 }),
    'sid a number': withClaims({ sid: 1 }),
    'an unknown claim': withClaims({ admin: true }),
    'padding appended': `${token}=`,
    'padding in a part': `${head}=.${body}.${signature}`,
    'white space in it': `${head} .${body}.${signature}`,
    'an unused bit of the signature changed': `${head}.${body}.${flipUnusedBit(signature)}`,
    'one bit of the signature changed': `${head}.${body}.${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`,
    'unknown user': withClaims({ sub: '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21' }),
    'SQL as user': withClaims({ sub: "' or '1'='1" })
  }
  for (const claim of Object.keys(claims)) bad[`no ${claim}`] = without(claim)

  t.equal((await get(server, forge(server, header, claims))).statusCode, 200, 'the forge makes good tokens')
  for (const [title, bearer] of Object.entries(bad)) isInvalidToken(t, await get(server, bearer), title)
  t.equal((await get(server, token)).statusCode, 200, 'the good one is still good')
})

test('a token of 100 KB is refused by its size', async (t) => {
  const { url } = await listen(t)
  const answer = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${'x'.repeat(100_000)}` } })
  t.equal(answer.status, 431)
  t.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8')
  t.ok(answer.headers.get('x-request-id'))
  t.match(await answer.json(), { code: 'HEADERS_TOO_LARGE', type: '/problems/headers-too-large' })
})

test('a token ends with its time, also one that was just verified', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  t.equal((await get(server, token)).statusCode, 200)
  setClock(t, 3600)
  isInvalidToken(t, await get(server, token), 'expired while kept as verified')
})

test('a token that has been good is told when it expired, and no other is', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const { header, claims } = goodParts(token)
  const exp = Math.floor(Date.now() / 1000) - 5000
  const at = new Date(exp * 1000).toISOString()
  const old = { ...claims, iat: exp - 600, exp }
  const answer = await get(server, forge(server, header, old))
  t.match(answer.json(), {
    code: 'INVALID_TOKEN',
    detail: `The access token expired at ${at}. Get a new one at POST /refresh with your refresh_token, or log in again at POST /login.`,
    expired_at: at
  })
  t.equal(
    answer.headers['www-authenticate'],
    `Bearer realm="library", error="invalid_token", error_description="The access token expired at ${at}"`
  )
  const other = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const [head, body] = forge(server, header, old).split('.')
  for (const forged of [forge(server, header, old, other), `${head}.${body}.${token.split('.')[2]}`]) {
    const refused = await get(server, forged)
    t.match(refused.json(), { code: 'INVALID_TOKEN', detail: /^The access token is malformed, expired/ })
    t.notMatch(refused.body + refused.headers['www-authenticate'], /expired_at|expired at/)
  }
})

test('the token of a deleted user is refused at once', async (t) => {
  const server = await buildApp(t)
  const { id, token } = await signIn(server)
  t.equal((await get(server, token)).statusCode, 200)
  await directly(t, server).deleteFrom('users').where('id', '=', id).execute()
  isInvalidToken(t, await get(server, token), 'deleted user')
})

test('a retired key verifies until its time is over, and signs no more', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const retired = server.signingKeys.active()
  const { header, claims } = goodParts(token)
  const [known, unseen] = ['known', 'unseen'].map((jti) =>
    forge(server, header, { ...claims, jti, exp: claims.exp + 1e6 })
  ) as [string, string]
  await rotateAndReload(server)
  t.not(parse(server.accessTokens.issue(claims)).header.kid, retired.kid)
  for (const good of [token, known, known]) t.equal((await get(server, good)).statusCode, 200)
  setClock(t, 86400 + 59)
  t.equal((await get(server, known)).statusCode, 200, 'to the last second')
  setClock(t, 1)
  isInvalidToken(t, await get(server, known), 'kept as verified')
  isInvalidToken(t, await get(server, unseen), 'not seen before')
})

test('a key that is no longer in the set verifies nothing, not even what was just verified', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  t.equal((await get(server, token)).statusCode, 200)
  await (await storeOf(server)).change(() => [newKey(new Date())])
  await server.signingKeys.reload()
  isInvalidToken(t, await get(server, token), 'the key was replaced')
  const { sub, sid } = parse(token).claims
  t.equal((await get(server, server.accessTokens.issue({ sub, sid }))).statusCode, 200)
})

test('every key of the set verifies its own tokens alone', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const { header, claims } = goodParts(token)
  const first = server.signingKeys.active()
  await rotateAndReload(server)
  const second = server.signingKeys.active()
  const { kid } = await rotateAndReload(server, 3600)
  const announced = server.signingKeys.known(kid) as SigningKey
  t.equal(
    parse(server.accessTokens.issue(claims)).header.kid,
    second.kid,
    'an announced key does not sign yet'
  )
  for (const { kid } of [first, second, announced]) {
    for (const signer of [first, second, announced]) {
      const answer = await get(server, forge(server, { ...header, kid }, claims, signer.private))
      t.equal(answer.statusCode, signer.kid === kid ? 200 : 401)
    }
  }
})

test('more tokens than are kept as verified are all good', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const { header, claims } = goodParts(token)
  const tokens = Array.from({ length: 10_050 }, (_, i) =>
    forge(server, header, { ...claims, jti: String(i), exp: claims.exp + 600 })
  )
  for (const token of tokens) await server.accessTokens.verify(token)
  t.equal((await server.accessTokens.verify(tokens[0] as string)).jti, '0')
})

function get(server: FastifyInstance, token: string) {
  return server.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })
}

/** A signature of 64 bytes fills 85 characters and two bits of the 86th; the other four bits mean nothing. */
function flipUnusedBit(signature: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(signature.at(-1) as string)
  return signature.slice(0, -1) + alphabet[last ^ 1]
}
