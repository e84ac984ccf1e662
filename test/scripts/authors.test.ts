import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { test } from '../engines.ts'
import { listen, ROOT, signIn, temporaryFolder } from '../helpers.ts'
import { CSV, exporter, file, NDJSON, problem, serve } from './client/fakes.ts'

type Variables = Record<string, string>

const NOBODY: Variables = { LIBRARY_TOKEN: '', LIBRARY_USERNAME: '', LIBRARY_PASSWORD: '' }
const SOMEBODY: Variables = { LIBRARY_TOKEN: 'a.b.c' }

function start(args: string[], variables: Variables) {
  const env = { ...process.env, ...NOBODY, ...variables }
  const child = spawn(process.execPath, ['scripts/authors.ts', ...args], { cwd: ROOT, env })
  // It need not read to the end.
  child.stdin.on('error', () => {})
  return child
}

async function outcomeOf(child: ReturnType<typeof start>) {
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await closed
  return { code, stdout, stderr }
}

async function authors(args: string[], variables: Variables, input = '') {
  const child = start(args, variables)
  child.stdin.end(input)
  return outcomeOf(child)
}

/** A service, and the command with the token of an editor. */
async function library(t: Test) {
  const { server, url } = await listen(t)
  const { token, headers } = await signIn(server)
  const run = (args: string[], input?: string) =>
    authors([...args, '--url', url], { LIBRARY_TOKEN: token }, input)
  const names = async () => {
    const { data } = (await server.inject({ url: '/authors?sort=name', headers })).json()
    return (data as { name: string }[]).map(({ name }) => name)
  }
  return { url, token, run, names, folder: temporaryFolder(t) }
}

test('a CSV file comes back as it was, byte by byte', async (t) => {
  const { run, folder } = await library(t)
  const out = path.join(folder, 'out.csv')
  t.strictSame(await run(['import', file(t, 'in.CSV', CSV)]), {
    code: 0,
    stdout: '3 authors created, 0 unchanged, 0 refused.\n',
    stderr: ''
  })
  t.strictSame(await run(['export', out]), { code: 0, stdout: `3 authors written to ${out}.\n`, stderr: '' })
  t.equal(readFileSync(out, 'utf8'), CSV)
  t.notOk(existsSync(`${out}.part`))
  t.match(await run(['import', out]), { code: 0, stdout: '0 authors created, 3 unchanged, 0 refused.\n' })
})

t.test('both formats say the same', async (t) => {
  const { run, folder } = await library(t)
  const out = path.join(folder, 'out.csv')
  t.match(await run(['import', file(t, 'in.ndjson', NDJSON)]), {
    code: 0,
    stdout: '3 authors created, 0 unchanged, 0 refused.\n'
  })
  t.match(await run(['export', out]), { code: 0 })
  t.equal(readFileSync(out, 'utf8'), CSV)
})

t.test('refused rows are told by their lines; --partial keeps the others, --dry-run none', async (t) => {
  const { run, names } = await library(t)
  const mixed = file(t, 'in.csv', 'name,book,country\nOvid,Amores,Italy\n,,England\nA,B\n')
  const refused = 'line 3: /name is required\nline 4: has 2 cells, but the header has 3\n'
  t.strictSame(await run(['import', mixed, '--dry-run']), {
    code: 1,
    stdout: '1 author would be created, 0 unchanged, 2 refused.\n',
    stderr: `${refused}So nothing would be imported: correct these rows, or keep the good ones with --partial.\n`
  })
  t.strictSame(await run(['import', mixed]), {
    code: 1,
    stdout: '0 authors created, 0 unchanged, 2 refused.\n',
    stderr: `${refused}So nothing was imported: correct these rows, or keep the good ones with --partial.\n`
  })
  t.same(await names(), [])
  t.strictSame(await run(['import', mixed, '--partial']), {
    code: 1,
    stdout: '1 author created, 0 unchanged, 2 refused.\n',
    stderr: refused
  })
  t.same(await names(), ['Ovid'])
})

t.test(
  'refused rows are written to a new file, from which they can be imported once they are right',
  async (t) => {
    const { run, names, folder } = await library(t)
    const out = path.join(folder, 'refused rows.csv')
    const csv =
      '\uFEFFAutor,Werk,Land,Regal\r\nHeinrich Böll,Ansichten eines Clowns,Germany,"A, 1"\r\n,Lines,Peru,"Two\nlines"\r\nShort\r\n'
    const args = ['import', file(t, 'in.csv', csv), '--map', 'Autor=name,Werk=book,Land=country,Regal=']
    t.match(await run([...args, '--refused', out, '--partial']), {
      code: 1,
      stdout: '1 author created, 0 unchanged, 2 refused.\n',
      stderr: `2 refused rows written to ${out}. Correct them there, and import them with: npx library authors import '${out}' --map Autor=name,Werk=book,Land=country,Regal=,line=,reason=\n`
    })
    const rows = [
      'line,reason,Autor,Werk,Land,Regal',
      '3,"/name is required",,Lines,Peru,"Two\nlines"',
      '5,"has 1 cells, but the header has 4",Short'
    ]
    t.equal(readFileSync(out, 'utf8'), `\uFEFF${rows.map((row) => `${row}\r\n`).join('')}`)
    t.equal(statSync(out).mode & 0o777, 0o600)

    t.match(await run([...args, '--refused', out]), {
      code: 1,
      stdout: '',
      stderr: `${out} is there already: name another file for the refused rows, or delete it.\n`
    })
    writeFileSync(
      out,
      readFileSync(out, 'utf8').replace(',,Lines', ',Mario Vargas Llosa,Lines').replace('Short', 'A,B,C,')
    )
    t.match(await run(['import', out, ...args.slice(2, 3), `${args[3]},line=,reason=`]), {
      code: 0,
      stdout: '2 authors created, 0 unchanged, 0 refused.\n'
    })
    t.same(await names(), ['A', 'Heinrich Böll', 'Mario Vargas Llosa'])

    const none = path.join(folder, 'none.csv')
    t.match(await run([...args.slice(0, 1), file(t, 'good.csv', CSV), '--refused', none]), { code: 0 })
    t.notOk(existsSync(none), 'where none is refused there is no file')
    const lines = '{"book":"Q"}\n{"name":"Aino","book":"Kalevala","country":"Finland"}\n'
    const fromStdin = path.join(folder, 'stdin.ndjson')
    t.match(await run(['import', '-', '--format', 'ndjson', '--partial', '--refused', fromStdin], lines), {
      code: 1,
      stdout: '1 author created',
      stderr: /Correct them there, take "line" and "reason" out, and import them\.\n$/
    })
    t.match(readFileSync(fromStdin, 'utf8'), /^\{"line":1,"reason":".+ is required.*","book":"Q"\}\n$/)
  }
)

t.test('an export for a spreadsheet comes back unchanged', async (t) => {
  const { run, folder } = await library(t)
  const out = path.join(folder, 'out.csv')
  await run(['import', file(t, 'in.csv', CSV)])
  t.match(await run(['export', out, '--excel']), { code: 0, stdout: `3 authors written to ${out}.\n` })
  t.equal(readFileSync(out, 'utf8'), `\uFEFF${CSV}`)
  t.match(await run(['import', out]), { code: 0, stdout: '0 authors created, 3 unchanged, 0 refused.\n' })
})

t.test('- is stdin and stdout, where there is nothing but data', async (t) => {
  const { run } = await library(t)
  t.match(await run(['import', '-', '--format', 'csv'], CSV), {
    code: 0,
    stdout: '3 authors created, 0 unchanged, 0 refused.\n'
  })
  t.strictSame(await run(['export', '-', '--format', 'ndjson']), {
    code: 0,
    stdout: NDJSON,
    stderr: '3 authors written to stdout.\n'
  })
  t.strictSame(await run(['import', '-', '--format', 'csv'], ''), {
    code: 1,
    stdout: '',
    stderr: 'There is nothing to import, for stdin is empty: check which file it is.\n'
  })
})

t.test('who stops reading stdout hears nothing more', async (t) => {
  const url = await serve(t, (_request, response) => {
    const write = () => {
      while (response.write(NDJSON));
      response.once('drain', write)
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    write()
  })
  const child = start(['export', '-', '--format', 'ndjson', '--url', url], SOMEBODY)
  child.stdout.once('data', () => child.stdout.destroy())
  t.match(await Promise.all([text(child.stderr), once(child, 'close')]), ['', [0]])
})

t.test('a cut-off export to stdout is told, and fails', async (t) => {
  const url = await serve(t, exporter(CSV))
  t.match(await authors(['export', '-', '--format', 'csv', '--url', url], SOMEBODY), {
    code: 1,
    stdout: CSV,
    stderr: /^The export has no receipt at its end.+, so what was written is not whole; run this again\.\n$/
  })
})

t.test('it says who one is to be, and never a secret', async (t) => {
  const { url, token } = await library(t)
  const sample = file(t, 'in.csv', CSV)
  t.match(await authors(['import', sample, '--url', url], {}), {
    code: 1,
    stdout: '',
    stderr: `Say who you are: set LIBRARY_TOKEN to an API key (POST /me/keys makes one, see ${url}/docs), or`
  })

  const child = start(['import', '-', '--format', 'csv', '--url', url], { LIBRARY_TOKEN: 'my.secret' })
  child.stdin.write(CSV)
  const told = await outcomeOf(child)
  t.match(told, { code: 1, stdout: '', stderr: /^The token has expired/ }, 'amid an endless upload')
  t.notMatch(told.stderr, 'secret')

  const { hostname: HOST, port: PORT } = new URL(url)
  t.match(
    await authors(['import', sample], { LIBRARY_TOKEN: token, HOST, PORT }),
    { code: 0, stdout: '3 authors created' },
    'without --url it is the service that HOST and PORT name'
  )
})

t.test('wrong usage is told with the usage', async (t) => {
  const cases: [string[], string, Variables?][] = [
    [[], 'Say import or export.'],
    [['export', '-'], 'stdin and stdout have no ending that tells the format (.csv, .ndjson, .jsonl): say'],
    [['export', 'a.csv', '--partial'], '--partial is for an import.'],
    [['export', 'a.csv', '--refused', 'b.csv'], '--refused is for an import.'],
    [['import', 'a.csv', '--excel'], '--excel is for an export.'],
    [['import', 'a.ndjson', '--map', 'a=name'], '--map is for CSV.'],
    [['export', 'a.ndjson', '--excel'], '--excel is for CSV.'],
    [['export', 'a.tsv'], 'a.tsv has no ending that tells the format (.csv, .ndjson, .jsonl): say'],
    [['import', 'a.csv', '--refused', '-'], '--refused takes the name of a file.'],
    [['import', 'a.csv', '--port', '80'], "Unknown option '--port'"],
    [['import', 'a.csv'], 'PORT is "many"', { PORT: 'many' }]
  ]
  for (const [args, stderr, variables = {}] of cases) {
    const told = await authors(args, variables)
    t.match(told, { code: 2, stdout: '' }, args.join(' '))
    t.ok(told.stderr.startsWith(stderr), told.stderr)
    t.match(told.stderr, /\nusage: npx library authors import FILE/)
  }
})

t.test('stdin cannot be sent twice, so it is told that the service is busy', async (t) => {
  let asked = 0
  const url = await serve(t, async (request, response) => {
    asked += 1
    await text(request)
    problem(response, 503, { code: 'TOO_BUSY', detail: 'Busy.' }, { 'retry-after': '0.05' })
  })
  t.match(await authors(['import', '-', '--format', 'csv', '--url', url], SOMEBODY, CSV), {
    code: 1,
    stderr: /^Busy\. See/
  })
  t.equal(asked, 1)
})

t.test('Ctrl-C leaves no half file', async (t) => {
  const out = file(t, 'out.csv', 'as it was')
  const asked = Promise.withResolvers<void>()
  const url = await serve(
    t,
    exporter(CSV, () => asked.resolve())
  )
  const child = start(['export', out, '--url', url], SOMEBODY)
  const outcome = outcomeOf(child)
  await asked.promise
  t.ok(existsSync(`${out}.part`))
  child.kill('SIGINT')
  t.strictSame(await outcome, {
    code: 130,
    stdout: '',
    stderr: `Interrupted: ${out} was left as it was; run this again.\n`
  })
  t.equal(readFileSync(out, 'utf8'), 'as it was')
  t.notOk(existsSync(`${out}.part`))
})

t.test('Ctrl-C tells what has become of an import', async (t) => {
  const cases: [string, string][] = [
    ['-', 'Interrupted: the service did not get the whole file, so nothing was imported; run this again.\n'],
    [file(t, 'in.csv', CSV), 'Interrupted: the service had the whole file and may have imported it; run this']
  ]
  for (const [place, stderr] of cases) {
    const asked = Promise.withResolvers<void>()
    const event = place === '-' ? 'data' : 'end'
    const url = await serve(t, (request) => request.on(event, () => asked.resolve()).resume())
    const child = start(['import', place, '--format', 'csv', '--url', url], SOMEBODY)
    child.stdin.write(CSV)
    const outcome = outcomeOf(child)
    await asked.promise
    child.kill('SIGTERM')
    t.match(await outcome, { code: 143, stdout: '', stderr })
  }
})

const COLUMNS = 60
const NO_TERMINAL =
  spawnSync('script', ['-qec', 'true', '/dev/null']).status !== 0 && 'util-linux has no `script` here'

/** Runs the command in a terminal; gives the lines that were drawn over each other, and what then remains. */
async function watch(args: string[], variables: Variables) {
  const command = `stty cols ${COLUMNS}; exec "$NODE" scripts/authors.ts ${args.join(' ')}`
  const env = { ...process.env, ...NOBODY, ...variables, NODE: process.execPath }
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: ROOT, env })
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  const [, ...lines] = output.split('\r\x1b[K').join('\r').split('\x1b[K').join('').split('\r')
  const cleared = output.lastIndexOf('\r\x1b[K')
  return { drawn: lines.slice(0, -2), remains: output.slice(cleared).replace('\r\x1b[K', '') }
}

t.test('in a terminal a bar shows how far it is', { skip: NO_TERMINAL }, async (t) => {
  const { url, token, folder } = await library(t)
  const imported = await watch(['import', file(t, 'in.csv', CSV), '--url', url], { LIBRARY_TOKEN: token })
  t.match(imported.drawn[0], /^Uploading {2}\[#{8,}\] {2}100% {2}0\.0\/0\.0 MB$/)
  t.equal(imported.remains, '3 authors created, 0 unchanged, 0 refused.\r\n')

  const out = path.join(folder, 'out.csv')
  const exported = await watch(['export', out, '--url', url], { LIBRARY_TOKEN: token })
  t.match(exported.drawn[0], /^Exporting {2}\[[#.]{8,}\] {2}[ \d]{3}% {2}\d\/3 rows$/)
  t.equal(exported.remains, `3 authors written to ${out}.\r\n`)
  for (const line of [...imported.drawn, ...exported.drawn]) t.ok(line.length < COLUMNS, line)
})

t.test('the rows that are worked on, and an import that fails', { skip: NO_TERMINAL }, async (t) => {
  const url = await serve(t, async (request, response) => {
    await text(request)
    const document = { status: 401, code: 'INVALID_TOKEN', detail: 'No.' }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('event: progress\ndata: {"rows":1}\n\n')
    response.end(`event: problem\ndata: ${JSON.stringify(document)}\n\n`)
  })
  const fourRows = file(t, 'in.csv', 'name,book,country\nA,"B\n",C\nD,E,F\nG,H,I\nJ,K,L\n')
  const { drawn, remains } = await watch(['import', fourRows, '--url', url], SOMEBODY)
  t.match(drawn[0], /^Importing {2}\[#{5,}\.{15,}\] {3}25% {2}1\/4 rows$/)
  t.match(remains, /^The token has expired/)
})
