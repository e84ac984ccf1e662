/** The way in, the documents, and requests that are hardly any. */
import type { Act } from '../stage.ts'

export const service: Act = async ({ wire }) => {
  for (const line of ['GET /', 'HEAD /', 'OPTIONS /', 'PUT /', 'GET //', 'GET /?x=1', 'OPTIONS *'])
    await wire.send(line)
  for (const accept of ['text/html', 'application/json', 'image/png'])
    await wire.send('GET /', { headers: { accept } })
  for (const path of ['/health/live', '/health/ready', '/.well-known/jwks.json']) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST']) await wire.send(`${method} ${path}`)
  }
  for (const path of ['/docs', '/docs/', '/docs/static/index.css', '/docs/static/nothing', '/docs/json']) {
    const { etag } = await wire.send(`GET ${path}`, {}, { exact: true })
    if (etag !== '') await wire.send(`GET ${path}`, { headers: { 'if-none-match': etag } })
  }
  for (const path of ['/nothing', '/authors/x/y', '/me/', '/AUTHORS', '/%2Fauthors', `/${'x'.repeat(300)}`])
    await wire.send(`GET ${path}`)
  await problems({ wire } as never)
  await strange({ wire } as never)
}

const problems: Act = async ({ wire }) => {
  const { json } = await wire.send('GET /problems', {}, { exact: true })
  for (const { type } of json.data) await wire.send(`GET ${type}`)
  for (const path of ['/problems?all=true', '/problems/nothing', `/problems/${'x'.repeat(600)}`])
    await wire.send(`GET ${path}`)
  await wire.send('HEAD /problems')
}

/** What Fastify never sees, or a client does not send. */
const strange: Act = async ({ wire }) => {
  await wire.send('GET /', { headers: { expect: 'a miracle' } })
  await wire.send('GET /', { headers: { 'transfer-encoding': 'gzip, chunked' } })
  await wire.send('GET /health/live', { headers: { 'x-much': 'x'.repeat(17_000) } })
  for (const target of [
    '/authors/%ff',
    '/authors/%zz',
    '/authors/%00',
    '/authors?q=%ff',
    '/authors?q=%ed%a0%80'
  ])
    await wire.send(`GET ${target}`)
  const close = 'Host: wire\r\nConnection: close\r\n\r\n'
  for (const bytes of [
    'NO HTTP\r\n\r\n',
    `GET / HTTP/1.1\r\n\r\n`,
    `GET / HTTP/1.0\r\n\r\n`,
    `GET / HTTP/3.1\r\n${close}`,
    `BREW /authors HTTP/1.1\r\n${close}`,
    `PROPFIND /authors HTTP/1.1\r\n${close}`,
    `TRACE / HTTP/1.1\r\n${close}`,
    `CONNECT example.org:80 HTTP/1.1\r\n${close}`,
    `GET http://example.org/health/live HTTP/1.1\r\n${close}`,
    `GET /health/live?x HTTP/1.1\r\nA b: c\r\n${close}`,
    `POST /login HTTP/1.1\r\nContent-Length: x\r\n${close}`,
    `POST /login HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n${close}`
  ]) {
    await wire.sendRaw(bytes)
  }
}
