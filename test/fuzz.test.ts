import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { WITHOUT_PROFILE } from '../scripts/bash.ts'
import { clientOf, toCurl } from '../scripts/fuzz/client.ts'
import { type Document, PROBLEM, wholeDocument } from '../scripts/fuzz/document.ts'
import { describe, fuzz } from '../scripts/fuzz.ts'
import { test } from './engines.ts'
import { directly, listen, ROOT } from './helpers.ts'

const SEED = 20_261_125

/** Fuzzes a service of the test's own, held against its document as `change` leaves it. */
async function run(t: Test, requests: number, change: (document: Document) => void = () => {}) {
  const { server, url } = await listen(t, { RATE_LIMIT: 'off', ACCESS_TOKEN_TTL: 86_400 })
  const document = wholeDocument((await server.inject('/openapi.json')).json())
  change(document)
  return { ...(await fuzz({ url, db: directly(t, server), requests, seed: SEED, document })), url }
}

test('generated requests, right and broken ones, are answered as the document says', async (t) => {
  const { findings, requests, statuses } = await run(t, 400)
  t.strictSame(findings.map(describe), [])
  t.equal(requests, 400)
  for (const status of [200, 201, 204, 400, 401, 403, 404, 415])
    t.ok(statuses.has(status), `some are ${status}`)
})

t.test('what is not as the document says is found, and shown as one short request', async (t) => {
  const { findings, url } = await run(t, 200, (document) => {
    const {
      '/health/live': live,
      '/health/ready': ready,
      '/problems': list,
      '/problems/{name}': one
    } = document.paths
    document.paths = {
      '/health/live': live,
      '/health/ready': ready,
      '/problems': list,
      '/problems/{name}': one
    } as never
    delete live?.get?.responses['400']
    delete ready?.get?.responses['400']?.content?.[PROBLEM]?.examples?.VALIDATION_FAILED
    delete list?.get?.responses['200']?.headers?.['X-Request-Id']
    delete one?.get?.responses['200']?.content?.['application/json']
    const other = { type: 'object', properties: { state: {} }, required: ['state'] }
    Object.assign(document.components.schemas, { Health: other, Readiness: other })
  })
  const found = findings.map(({ title, kind }) => `${title}: ${kind}`)
  t.strictSame(found.sort(), [
    'GET /health/live: 200 with a body that does not fit',
    'GET /health/live: 400 MALFORMED_REQUEST is not documented',
    'GET /health/live: 400 VALIDATION_FAILED is not documented',
    'GET /health/ready: 200 with a body that does not fit',
    'GET /health/ready: 400 VALIDATION_FAILED is not documented',
    'GET /problems/{name}: 200 as application/json',
    'GET /problems: 200 with the undocumented header x-request-id'
  ])
  const { curl = '' } = findings.find(({ title }) => title === 'GET /problems') ?? {}
  t.equal(curl, `curl -i --path-as-is -X GET '${url}/problems'`, 'without what it does not take')
})

t.test('a request is shown as a line that sends it', async (t) => {
  const { url } = await listen(t)
  const bodies = ['{"username":"a\'b"}', '{"username":"\u00e9\u0000"}']
  for (const body of bodies) {
    const headers: [string, string][] = [['content-type', 'application/json']]
    const sent = { method: 'POST', target: '/register', headers, body: Buffer.from(body), isChunked: false }
    const client = clientOf(url)
    const { status, text } = await client.send(sent)
    client.close()
    const { stdout } = await promisify(execFile)('bash', [...WITHOUT_PROFILE, toCurl(url, sent)])
    t.match(stdout, `HTTP/1.1 ${status} `)
    const pointers = (document: string) => document.match(/"pointer":"[^"]+"/g)
    t.strictSame(pointers(stdout), pointers(text))
  }
})

t.test('the command says how it is used', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/fuzz.ts', '--requests', 'many'], {
    cwd: ROOT
  })
  t.equal(status, 1)
  t.equal(String(stderr), 'usage: npm run fuzz -- [--requests N] [--seed N]\n')
})
