import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import { exportAuthors } from '../../../scripts/client/exporting.ts'
import { listen, signIn, temporaryFolder } from '../../helpers.ts'
import { CSV, exporter, file, HEADER, NO_BAR, problem, receiptOf, serve, service } from './fakes.ts'

function exportTo(place: string, url: string, token?: string) {
  return exportAuthors(service(url, token), place, { format: 'csv' }, NO_BAR)
}

const WHOLE = CSV + receiptOf(CSV, 3)
const NO_RECEIPT = 'The export has no receipt at its end: it was cut off, or changed on its way'

const CUTS: [string, RequestListener, string][] = [
  ['its last chunk', exporter(WHOLE, (response) => response.socket?.end()), 'The export broke off'],
  ['a connection', exporter(CSV, (response) => response.socket?.destroy()), 'The export broke off'],
  ['anything', exporter(''), NO_RECEIPT],
  ['a receipt', exporter(CSV), NO_RECEIPT],
  ['a short last line', exporter(`${CSV}Bo,No Line,Peru`), NO_RECEIPT],
  ['the end of its receipt', exporter(WHOLE.slice(0, -1)), NO_RECEIPT],
  ['a line before its receipt', exporter(`${CSV}Bo,${receiptOf(CSV, 3)}`), NO_RECEIPT],
  ['a receipt that is one', exporter(`${CSV}{"rows":3}\n`), NO_RECEIPT],
  ['a row', exporter(CSV + receiptOf(CSV, 4)), 'The export has 3 rows in place of 4'],
  ['a byte', exporter(CSV + receiptOf(`${CSV}\n`, 3)), 'The export has another digest than it should']
]
for (const [what, listener, reason] of CUTS) {
  t.test(`an export without ${what} is no file`, async (t) => {
    const out = file(t, 'out.csv', 'as it was')
    const message = new RegExp(`^${reason}.*, so ${out} was left as it was; run this again\\.$`)
    await t.rejects(exportTo(out, await serve(t, listener)), { message })
    t.equal(readFileSync(out, 'utf8'), 'as it was')
    t.notOk(existsSync(`${out}.part`))
  })
}

t.test('one that is whole is, in whatever pieces it comes', async (t) => {
  const out = file(t, 'out.csv', 'as it was')
  for (const size of [1, 7, 100, WHOLE.length]) {
    const bytes = Buffer.from(WHOLE)
    const url = await serve(t, async (request, response) => {
      t.match(request, { url: '/authors/export?receipt=true', headers: { 'accept-encoding': 'identity' } })
      response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8' })
      for (let at = 0; at < bytes.length; at += size) {
        await new Promise((resolve) => response.write(bytes.subarray(at, at + size), resolve))
      }
      response.end()
    })
    t.equal(await exportTo(out, url), 3)
    t.equal(readFileSync(out, 'utf8'), CSV)
    t.notOk(existsSync(`${out}.part`))
  }
})

/** What a proxy lets through of the body, and whether it ends it as HTTP/1.0 does, by closing. */
interface Passing {
  most?: number
  byClosing?: boolean
}

/** A proxy that speaks HTTP/1.0 with the service, as nginx does unless it is set otherwise: so it neither gets trailers nor notices a cut. */
function oldProxy(t: Test, service: string, { most, byClosing = false }: Passing): Promise<string> {
  return serve(t, async ({ method, url, headers }, response) => {
    const { accept, authorization } = headers
    const socket = connect(Number(new URL(service).port), '127.0.0.1')
    socket.write(`${method} ${url} HTTP/1.0\r\naccept: ${accept}\r\nauthorization: ${authorization}\r\n\r\n`)
    const answer = Buffer.concat(await socket.toArray())
    const end = answer.indexOf('\r\n\r\n')
    const [head, body] = [answer.subarray(0, end).toString(), answer.subarray(end + 4)]
    response.shouldKeepAlive = !byClosing
    response.useChunkedEncodingByDefault = !byClosing
    response.writeHead(Number(head.split(' ')[1]), {
      'content-type': /^content-type: (.*)$/im.exec(head)?.[1] ?? ''
    })
    response.write(body.subarray(0, most))
    response.end()
  })
}

t.test('behind a proxy that drops trailers it is whole, or no file', async (t) => {
  const { server, url } = await listen(t)
  const { token, headers } = await signIn(server)
  // One whose note looks like the end of a file.
  const odd = { name: 'Ðóra', note: `über\n${receiptOf('', 0)}`, country: '=1' }
  for (const author of [{ name: 'Amma' }, odd, { name: 'Bo', book: 'Zwölf' }]) {
    t.match(await server.inject({ method: 'POST', url: '/authors', headers, payload: author }), {
      statusCode: 201
    })
  }
  for (const options of [{ format: 'csv' }, { format: 'csv', excel: true }, { format: 'ndjson' }] as const) {
    const accept = options.format === 'csv' ? 'text/csv' : 'application/x-ndjson'
    const bom = 'excel' in options ? '?bom=true' : ''
    const whole = (await server.inject({ url: `/authors/export${bom}`, headers: { ...headers, accept } }))
      .rawPayload
    const out = file(t, `out.${options.format}`, '')
    const exported = (address: string) => exportAuthors(service(address, token), out, options, NO_BAR)
    for (const byClosing of [true, false]) {
      t.equal(await exported(await oldProxy(t, url, { byClosing })), 3)
      t.ok(readFileSync(out).equals(whole))
      const receipt = receiptOf(whole, 3).length
      const lines = [...whole.keys()].filter((at) => whole[at] === 0x0a).map((at) => at + 1)
      const places = [0, 1, ...lines, whole.length - 1, whole.length + 1, whole.length + receipt - 1]
      for (const most of places) {
        const message = /^The export has no receipt at its end: .* was left as it was; run this again\.$/
        await t.rejects(exported(await oldProxy(t, url, { most, byClosing })), { message }, `${most} bytes`)
        t.ok(readFileSync(out).equals(whole))
        t.notOk(existsSync(`${out}.part`))
      }
    }
  }
})

t.test('a service that knows no receipts is told as older', async (t) => {
  const out = path.join(temporaryFolder(t), 'out.csv')
  const url = await serve(t, (_, response) =>
    problem(response, 400, {
      code: 'VALIDATION_FAILED',
      detail: 'No.',
      errors: [{ pointer: '/receipt', detail: 'is not a known query parameter' }]
    })
  )
  await t.rejects(exportTo(out, url), {
    message: `${url} is of an older version, whose exports do not tell whether they are whole: update the service, or use the command that came with it.`
  })
  t.notOk(existsSync(out))
})

t.test('a refused export leaves nothing', async (t) => {
  const out = path.join(temporaryFolder(t), 'out.csv')
  const { url } = await listen(t)
  await t.rejects(exportTo(out, url), { message: /^The token has expired/ })
  const broken = (_: unknown, response: Parameters<typeof problem>[0]) =>
    problem(response, 500, { code: 'INTERNAL_ERROR', detail: 'No.' })
  await t.rejects(exportTo(out, await serve(t, broken)), { message: /^No\. See / })
  const page: RequestListener = (_, response) => response.setHeader('content-type', 'text/html').end('<p>')
  await t.rejects(exportTo(out, await serve(t, page)), {
    message: /^\S+ is not a Library API.+\(its answer is no text\/csv\)/
  })
  const gone: RequestListener = (request) => request.socket.destroy()
  await t.rejects(exportTo(out, await serve(t, gone)), { message: /broke \(ECONNRESET\): run this again\.$/ })
  t.notOk(existsSync(out))
  t.notOk(existsSync(`${out}.part`))
})

t.test('it is waited for while the service is busy', async (t) => {
  let asked = 0
  const whole = exporter(WHOLE)
  const url = await serve(t, (request, response) => {
    asked += 1
    if (asked > 1) whole(request, response)
    else problem(response, 429, { code: 'TOO_MANY_REQUESTS', detail: 'Slow.' }, { 'retry-after': '0.05' })
  })
  t.equal(await exportTo(file(t, 'out.csv', ''), url), 3)
  t.equal(asked, 2)
})

t.test('where it cannot be written', async (t) => {
  const folder = temporaryFolder(t)
  const place = (name: string) => path.join(folder, name)
  mkdirSync(place('folder'))
  writeFileSync(place('taken.csv.part'), 'of another')
  const cases: [string, string][] = [
    ['none/a.csv', ' cannot be written: it or its folder is not there; check the path.'],
    ['folder', ' is no ordinary file: name another one, or - for stdout.'],
    [
      'taken.csv',
      '.part is there already: wait for the export that writes it, or delete it if there is none.'
    ]
  ]
  for (const [name, message] of cases) {
    await t.rejects(exportTo(place(name), 'http://unused'), { message: `${place(name)}${message}` })
  }
  t.equal(readFileSync(place('taken.csv.part'), 'utf8'), 'of another')
})

t.test('a file that is there keeps its permissions, and a link leads on', async (t) => {
  const { server, url } = await listen(t)
  const { token } = await signIn(server)
  const [real, link] = [file(t, 'real.csv', ''), path.join(temporaryFolder(t), 'link.csv')]
  chmodSync(real, 0o640)
  symlinkSync(real, link)
  t.equal(await exportTo(link, url, token), 0)
  t.equal(readFileSync(real, 'utf8'), `${HEADER}\r\n`)
  t.equal(statSync(real).mode & 0o777, 0o640)
})
