import { truncateSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { chooseFormat, chooseUrl } from '../../../scripts/client/arguments.ts'
import { importAuthors, openSource } from '../../../scripts/client/importing.ts'
import { directly, listen, signIn, temporaryFolder } from '../../helpers.ts'
import { CSV, file, NO_BAR, openPort, problem, RESULT, serve, service } from './fakes.ts'

const EVENTS = { 'content-type': 'text/event-stream' }

async function importFrom(url: string, place: string, token?: string) {
  const source = await openSource(place, 'csv')
  return importAuthors(service(url, token), source, { partial: false, dryRun: false }, NO_BAR)
}

function sample(t: Test): string {
  return file(t, 'in.csv', CSV)
}

t.test('who may not import is told what would help', async (t) => {
  const { server, url } = await listen(t)
  const { token, headers } = await signIn(server)
  const reader = await signIn(server, 'rita')
  await directly(t, server).updateTable('users').set({ role: 'reader' }).where('id', '=', reader.id).execute()
  const createKey = async (scope: string) => {
    const payload = { name: scope, scope }
    return (await server.inject({ method: 'POST', url: '/me/keys', headers, payload })).json().key
  }
  t.match(await importFrom(url, sample(t), await createKey('write')), RESULT)
  await t.rejects(importFrom(url, sample(t), await createKey('read')), {
    message: 'This API key may only read: set LIBRARY_TOKEN to one with the scope "write".'
  })
  await t.rejects(importFrom(url, sample(t), reader.token), {
    message: /^Your role may only read: ask an admin/
  })
  await server.inject({ method: 'POST', url: '/logout', headers })
  await t.rejects(importFrom(url, sample(t), token), { message: /^The token has expired, was revoked or/ })
})

t.test('a file larger than the service takes', async (t) => {
  const { server, url } = await listen(t, { IMPORT_LIMIT: 1 })
  // The service reads no more of the file, and so does not see at once that the client has gone.
  t.teardown(() => server.server.closeAllConnections())
  const { token, headers } = await signIn(server)
  const large = sample(t)
  truncateSync(large, 64_000_000)
  await t.rejects(importFrom(url, large, token), {
    message:
      'The file is larger than the service takes: split it, or ask the operator for a higher IMPORT_LIMIT.'
  })
  t.same((await server.inject({ url: '/authors', headers })).json().data, [])
})

const STRANGE: [string, RequestListener, RegExp][] = [
  [
    'text',
    (_, response) => response.end('hello'),
    /^\S+ is not a Library API.+\(its answer is no JSON\): check/
  ],
  ['{}', (_, response) => response.end('{}'), /^\S+ is not a Library API.+no result of an import\)/],
  [
    '405',
    (_, response) => response.writeHead(405).end('<p>'),
    /^\S+ is not .+ it \(it answered 405\): check/
  ],
  [
    'much',
    (_, response) => response.end(`"${'x'.repeat(2_000_000)}"`),
    /^\S+ is not a .+\(its answer is no JSON\)/
  ],
  [
    '301',
    (_, response) => response.writeHead(301, { location: 'https://a.example/' }).end(),
    /has moved to https:\/\/a\.example\/: give the new address with --url\.$/
  ],
  [
    '415',
    (_, response) => problem(response, 415, { code: 'UNSUPPORTED_MEDIA_TYPE', detail: 'No.' }),
    /^The service does not take files of this format/
  ],
  [
    '404',
    (_, response) => problem(response, 404, { code: 'ROUTE_NOT_FOUND', detail: 'No.' }),
    /may be of an older version/
  ],
  [
    '500',
    (_, response) => problem(response, 500, { code: 'INTERNAL_ERROR', detail: 'It\x1b[31m failed.' }),
    /^It�\[31m failed\. See http:\S+\/problems\/internal-error for what to do\.$/
  ]
]
for (const [what, listener, message] of STRANGE) {
  t.test(`it is told what is wrong with an answer: ${what}`, async (t) => {
    await t.rejects(importFrom(await serve(t, listener), sample(t)), { message })
  })
}

t.test('a result that is cut off on its way, without a word, is none', async (t) => {
  const events = [
    ['progress', { rows: 3 }],
    ['refused', []],
    ['result', RESULT]
  ]
  const whole = events.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join('')
  let most = 0
  const url = await serve(t, async (request, response) => {
    await text(request)
    response.writeHead(200, EVENTS).end(whole.slice(0, most))
  })
  for (; most < whole.length; most += 5) {
    await t.rejects(importFrom(url, sample(t)), { message: /may have imported it; run this again, which/ })
  }
  t.match(await importFrom(url, sample(t)), RESULT)
})

const PROXIED: [number, Record<string, string>, RegExp][] = [
  [413, { server: 'nginx/1.22.1' }, /\(nginx\/1\.22\.1\) answered 413: .+ not IMPORT_LIMIT/],
  [413, { server: 'openresty' }, /client_max_body_size/],
  [413, { server: 'Apache/2.4' }, /LimitRequestBody/],
  [413, { server: 'cloudflare' }, /100 MB on most plans/],
  [413, { server: 'Microsoft-HTTPAPI/2.0' }, /maxAllowedContentLength/],
  [413, { via: '1.1 Caddy' }, /\(1\.1 Caddy\) .+request_body max_size/],
  [413, {}, /^What stands before http:\S+ answered 413: .+its limit on the size of a request/],
  [413, { server: 'a\tb' }, /\(a�b\) answered 413/],
  [502, { server: 'nginx' }, /answered 502: it does not reach the service\. Look whether the service runs/],
  [
    504,
    { server: 'nginx' },
    /answered 504: it waited too long .+\(proxy_read_timeout\).+imports nothing twice/
  ],
  [408, {}, /answered 408: the file came too slowly/],
  [401, { 'www-authenticate': 'Basic realm="x"' }, /answered 401: it asks for a login of its own/],
  [407, {}, /answered 407: it asks for a login/],
  [403, {}, /answered 403: it does not let this through/]
]
for (const [status, headers, message] of PROXIED) {
  t.test(`what a proxy says is told as that: ${status} ${Object.values(headers)}`, async (t) => {
    const url = await serve(t, (request, response) => {
      request.resume()
      response.writeHead(status, { 'content-type': 'text/html', ...headers }).end('<h1>no</h1>')
    })
    await t.rejects(importFrom(url, sample(t)), { message })
  })
}

t.test('a proxy that is busy is waited for, and then told as one', async (t) => {
  let asked = 0
  const url = await serve(t, (request, response) => {
    asked += 1
    request.resume()
    const status = asked < 5 ? 503 : 429
    response.writeHead(status, { 'retry-after': '0.05' }).end('<p>')
  })
  await t.rejects(importFrom(url, sample(t)), {
    message: /answered 429: it takes no more requests for a while/
  })
  t.equal(asked, 5)
})

t.test('a proxy that closes the connection while it refuses an upload is understood', async (t) => {
  const large = sample(t)
  truncateSync(large, 64_000_000)
  const url = await serve(t, (request, response) => {
    response.writeHead(413, { server: 'nginx', 'content-length': '500' })
    request.resume()
    response.write('<html>', () => request.socket.end())
  })
  await t.rejects(importFrom(url, large), {
    message: /\(nginx\) answered 413: the file is larger than it takes/
  })
})

t.test('a refusal is heard amid a large upload', async (t) => {
  const large = sample(t)
  truncateSync(large, 64_000_000)
  const url = await serve(t, (_, response) =>
    problem(response, 401, { code: 'INVALID_TOKEN', detail: 'No.' })
  )
  await t.rejects(importFrom(url, large), { message: /^The token has expired/ })
})

t.test('when nothing answers, or not in HTTP', async (t) => {
  const { server, url } = await listen(t)
  await server.close()
  await t.rejects(importFrom(url, sample(t)), {
    message: `Nothing answers at ${url} (ECONNREFUSED): start the service with "npx library start", or give its address with --url.`
  })
  const other = createTcpServer((socket) =>
    socket
      .on('error', () => {})
      .resume()
      .write('220 hello\r\n')
  )
  await t.rejects(importFrom(await openPort(t, other), sample(t)), { message: /^\S+ is not a Library API/ })
})

const BREAKS: [string, RequestListener][] = [
  ['after the upload', (request) => request.resume().once('end', () => request.socket.destroy())],
  [
    'amid its events',
    (request, response) => {
      response.writeHead(200, EVENTS).write('event: progress\ndata: {"rows":1}\n\n')
      request.resume().once('end', () => response.socket?.destroy())
    }
  ],
  [
    'with a stream that ends too soon',
    (request, response) => {
      response.writeHead(200, EVENTS)
      request.resume().once('end', () => response.end('event: progress\ndata: {"rows":1}\n\n'))
    }
  ]
]
for (const [when, listener] of BREAKS) {
  t.test(`the service goes away ${when}`, async (t) => {
    await t.rejects(importFrom(await serve(t, listener), sample(t)), {
      message:
        /^The connection to \S+ broke \(ECONNRESET\): the service had the whole file and may have imported it; run this again, which imports nothing twice\.$/
    })
  })
}

t.test('the service goes away amid the upload', async (t) => {
  const url = await serve(t, (request) => request.once('data', () => request.socket.destroy()))
  const large = file(t, 'in.csv', CSV.repeat(100_000))
  await t.rejects(importFrom(url, large), {
    message:
      /^The connection to \S+ broke \(\w+\): the service did not get the whole file, so nothing was imported; run this again\.$/
  })
})

t.test('a file that cannot be read', async (t) => {
  const folder = temporaryFolder(t)
  await t.rejects(openSource(`${folder}/none.csv`, 'csv'), {
    message: `${folder}/none.csv cannot be read: it or its folder is not there; check the path.`
  })
  await t.rejects(openSource(folder, 'csv'), {
    message: `${folder} cannot be read: it is a folder; name a file.`
  })
  const url = await serve(t, (request, response) => {
    response.writeHead(200, EVENTS).flushHeaders()
    request.resume()
  })
  const empty = file(t, 'in.csv', '')
  await t.rejects(importFrom(url, empty), {
    message: `There is nothing to import, for ${empty} is empty: check which file it is.`
  })
})

/** A service that is busy so many times; keeps what was sent. */
async function busy(t: Test, times: number, wait = '0.05') {
  const bodies: string[] = []
  const url = await serve(t, async (request, response) => {
    bodies.push(await text(request))
    const headers = { 'retry-after': wait }
    if (bodies.length <= times) problem(response, 503, { code: 'TOO_BUSY', detail: 'Busy.' }, headers)
    else response.end(JSON.stringify(RESULT))
  })
  return { bodies, url }
}

t.test('it sends the whole file again while the service is busy, but not for ever', async (t) => {
  const sometimes = await busy(t, 2)
  const began = performance.now()
  t.match(await importFrom(sometimes.url, sample(t)), RESULT)
  t.ok(performance.now() - began >= 2 * 50, 'after Retry-After')
  t.same(sometimes.bodies, [CSV, CSV, CSV])

  const always = await busy(t, 99)
  await t.rejects(importFrom(always.url, sample(t)), {
    message: `Busy. See ${always.url}/problems/too-busy for what to do.`
  })
  t.equal(always.bodies.length, 5)

  const tomorrow = await busy(t, 1, '86400')
  await t.rejects(importFrom(tomorrow.url, sample(t)), { message: /^Busy/ })
  t.equal(tomorrow.bodies.length, 1, 'nobody waits so long')
})

t.test('an event that says the service is busy is heeded too', async (t) => {
  let asked = 0
  const url = await serve(t, async (request, response) => {
    asked += 1
    await text(request)
    const document = { status: 503, code: 'STORAGE_UNAVAILABLE', detail: 'Locked.' }
    const [event, data] = asked === 1 ? ['problem', document] : ['result', RESULT]
    response.writeHead(200, EVENTS).end(`: a comment\n\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  })
  t.match(await importFrom(url, sample(t)), RESULT)
  t.equal(asked, 2)
})

t.test('formats and addresses', async (t) => {
  t.equal(chooseFormat('a.CSV', undefined, 'export'), 'csv')
  t.equal(chooseFormat('a.jsonl', undefined, 'import'), 'ndjson')
  t.equal(chooseFormat('a.csv', 'ndjson', 'import'), 'ndjson')
  for (const name of ['a.tsv', 'a.TXT', 'b.tab']) {
    t.equal(chooseFormat(name, undefined, 'import'), 'csv')
    t.throws(() => chooseFormat(name, undefined, 'export'), /\(\.csv, \.ndjson, \.jsonl\)/)
  }
  t.throws(() => chooseFormat('a.xls', undefined, 'import'), {
    message:
      'a.xls has no ending that tells the format (.csv, .tsv, .txt, .ndjson, .jsonl): say --format csv or --format ndjson.'
  })
  t.throws(() => chooseFormat('a.csv', 'xml', 'import'), { message: '--format is csv or ndjson, not xml.' })
  t.equal(await chooseUrl('https://a.example/library/?x#y'), 'https://a.example/library')
  for (const wrong of ['localhost:3000', '', '127.0.0.1', 'ftp://a.example']) {
    await t.rejects(
      chooseUrl(wrong),
      { message: '--url takes an address such as http://127.0.0.1:3000.' },
      wrong
    )
  }
  await t.rejects(chooseUrl('http://anna:secret@a.example'), {
    message: /^--url takes no password: set [A-Z_]+ and/
  })
})
