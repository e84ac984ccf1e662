import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import path from 'node:path'
import t from 'tap'
import { exportAuthors } from '../../../scripts/client/exporting.ts'
import { listen, signIn, temporaryFolder } from '../../helpers.ts'
import { CSV, digestOf, exporter, file, HEADER, NO_BAR, problem, serve, service } from './fakes.ts'

function exportTo(place: string, url: string, token?: string) {
  return exportAuthors(service(url, token), place, { format: 'csv' }, NO_BAR)
}

function endWith(trailers: Record<string, string>): RequestListener {
  return exporter((response) => {
    response.addTrailers(trailers)
    response.end()
  })
}

const CUTS: [string, RequestListener, string][] = [
  ['its last chunk', exporter((response) => response.socket?.end()), 'The export broke off'],
  ['a connection', exporter((response) => response.socket?.destroy()), 'The export broke off'],
  [
    'trailers',
    endWith({}),
    'The export has no row count and digest at its end, which a proxy may have taken away'
  ],
  [
    'a digest',
    endWith({ 'row-count': '3' }),
    'The export has no row count and digest at its end, which a proxy'
  ],
  ['a count', endWith({ 'repr-digest': digestOf(CSV) }), 'The export has no row count and digest at its end'],
  [
    'a row',
    endWith({ 'row-count': '4', 'repr-digest': digestOf(CSV) }),
    'The export has 3 rows in place of 4'
  ],
  [
    'a byte',
    endWith({ 'row-count': '3', 'repr-digest': digestOf(`${CSV}\n`) }),
    'The export has another digest than it should'
  ]
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

t.test('one that is whole is', async (t) => {
  const out = file(t, 'out.csv', 'as it was')
  const trailers = { 'row-count': '3', 'repr-digest': `x=:AA==:, ${digestOf(CSV)}` }
  t.equal(await exportTo(out, await serve(t, endWith(trailers))), 3)
  t.equal(readFileSync(out, 'utf8'), CSV)
  t.notOk(existsSync(`${out}.part`))
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
  const whole = endWith({ 'row-count': '3', 'repr-digest': digestOf(CSV) })
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
