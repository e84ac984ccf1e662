/** What every operation of the document refuses alike. */
import { routesOf } from '../../fuzz/document.ts'
import type { Sent } from '../recorder.ts'
import { type Act, basic, logIn, NOBODY, PASSWORD, type Stage } from '../stage.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const WRONG_TOKENS = ['x', 'library_x', 'Bearer', 'Bearer  ', 'Basic eDp5', 'Digest x', `${'x'.repeat(3000)}`]
/** What the service refuses before it looks at the address. */
const WRONG_HEADERS: Record<string, string>[] = [
  { expect: 'a miracle' },
  { 'transfer-encoding': 'gzip, chunked' },
  { 'x-much': 'x'.repeat(17_000) }
]
const WRONG_BODIES: [type: string, content: string | Buffer][] = [
  ['application/json', ''],
  ['application/json', '{'],
  ['application/json', '[]'],
  ['application/json', 'null'],
  ['application/json', '{"a":1,"a":2}'],
  ['application/json', '{"__proto__":{}}'],
  ['application/json', '{"a":1e999}'],
  ['application/json', '{"name":"\\ud800"}'],
  ['application/json', '{"unknown":true}'],
  ['application/json', Buffer.from([0x22, 0xff, 0x22])],
  ['application/json; charset=latin1', '{}'],
  ['application/merge-patch+json', '{"unknown":true}'],
  ['application/merge-patch+json', '[]'],
  ['application/merge-patch+json', '{'],
  ['text/plain', 'x'],
  ['application/xml', '<a/>'],
  ['', 'x']
]

/** All operations, by a user who may do what they do, so that nothing but the request can be wrong. */
export async function sweep({ wire, cast, document }: Stage): Promise<void> {
  for (const { method, address } of routesOf(document)) {
    const line = `${method} ${address.replace(/{\w+}/, NOBODY)}`
    await wire.send(line, { json: {} })
    await wire.send(line, { as: 'x' })
    for (const name of ['%zz', 'x'.repeat(600)])
      await wire.send(`${method} ${address.replace(/{\w+}/, name)}?%zz`, { as: cast.anna.token })
    const send = async (more: Sent, query = '') =>
      wire.send(line + query, { as: await credentials({ wire, cast } as Stage, address), ...more })
    for (const headers of WRONG_HEADERS) await send({ headers })
    for (const query of ['?unknown=1', '?limit=0&limit=x&cursor=']) await send({}, query)
    if (method === 'GET') continue
    for (const body of WRONG_BODIES) await send({ body })
    await send({ json: { note: 'x'.repeat(2 ** 20) } })
    await send({ headers: { 'content-encoding': 'gzip' }, json: {} })
  }
  for (const address of Object.keys(document.paths)) {
    for (const method of METHODS) await wire.send(`${method} ${address.replace(/{\w+}/, NOBODY)}`)
  }
  await tokens({ wire, cast } as Stage)
}

/** What is asked for at an address; logging out needs a session of its own each time. */
async function credentials({ wire, cast }: Stage, address: string): Promise<string> {
  if (address === '/login') return basic(cast.anna.username, PASSWORD)
  return address === '/logout' ? logIn(wire, cast.anna.username) : cast.anna.token
}

const tokens: Act = async ({ wire, cast }) => {
  for (const as of WRONG_TOKENS) await wire.send('GET /me', { as })
  const [head, claims, signature] = cast.anna.token.split('.') as [string, string, string]
  const broken = [
    `${head}.${claims}.`,
    `${head}.${claims}`,
    `${head}..${signature}`,
    `${head}.${claims}.x${signature}`
  ]
  for (const as of broken) await wire.send('GET /authors', { as })
  const none = Buffer.from('{"alg":"none"}').toString('base64url')
  await wire.send('GET /authors', { as: `${none}.${claims}.` })
  await wire.send(`GET /authors?access_token=${cast.anna.token}`)
  await wire.send('GET /me', { as: `bearer ${cast.anna.token}` })
}
