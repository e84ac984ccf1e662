import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import { basic, listen, PASSWORD, ROOT, signIn, temporaryFolder } from '../helpers.ts'

const HEADER = 'prize_year,name,book,country,booker_prize,birth_year,death_year'
const ROWS =
  readFileSync(path.join(ROOT, 'data-samples/booker-winners.csv'), 'utf8').trim().split('\n').length - 1

async function seed(args: string[], variables: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['scripts/seed.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, LIBRARY_USERNAME: '', LIBRARY_PASSWORD: '', ...variables }
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data) => (stdout += data))
  child.stderr.on('data', (data) => (stderr += data))
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

function csv(t: Test, ...lines: string[]): string {
  const file = path.join(temporaryFolder(t), 'authors.csv')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

async function listAll(url: string, headers: Record<string, string>) {
  const authors: { name: string; slug: string; note: string; death_year: number | null }[] = []
  for (let next: string | null = '/authors?limit=25'; next !== null; ) {
    const page = (await (await fetch(url + next, { headers })).json()) as { data: []; next: string | null }
    authors.push(...page.data)
    next = page.next
  }
  return authors
}

t.test('the sample is loaded once, however often it is seeded', async (t) => {
  const { server, url } = await listen(t)

  const first = await seed(['--url', url])
  t.match(first, { code: 0, stderr: '' })
  t.match(first.stdout, `${ROWS} authors added, 0 already there, 0 refused. See ${url}/docs\n`)
  const [, username = '', password = ''] =
    /^Registered (librarian-[0-9a-f]{6}) with the password (\S+)$/m.exec(first.stdout) ?? []
  const login = await fetch(`${url}/login`, {
    method: 'POST',
    headers: { authorization: basic(username, password) }
  })
  t.equal(login.status, 200, 'with what it printed a person can log in')

  const second = await seed([], { HOST: '127.0.0.1', PORT: new URL(url).port })
  t.match(second, { code: 0, stderr: '' })
  t.match(second.stdout, `0 authors added, ${ROWS} already there, 0 refused. See ${url}/docs\n`)

  const authors = await listAll(url, (await signIn(server)).headers)
  t.equal(authors.length, ROWS)
  t.same(
    authors
      .filter(({ name }) => name === 'J. M. Coetzee')
      .map(({ slug, note }) => ({ slug, note }))
      .sort((a, b) => a.slug.localeCompare(b.slug)),
    [
      { slug: 'j-m-coetzee', note: 'Booker Prize 1983' },
      { slug: 'j-m-coetzee-2', note: 'Booker Prize 1999' }
    ]
  )
  t.equal(authors.find(({ slug }) => slug === 'salman-rushdie')?.death_year, null)
})

t.test('rows that the service refuses are named by their line; the others are added', async (t) => {
  const { url } = await listen(t)
  const file = csv(
    t,
    HEADER,
    '1969,P. H. Newby,Something to Answer For,England,true,1918,1997',
    '1970,,The Elected Member,Wales,true,1923,2004',
    '1971,V. S. Naipaul,In a Free State,Trinidad and Tobago,perhaps,c. 1932,2018'
  )
  const { code, stdout, stderr } = await seed([file, '--url', url])
  t.equal(code, 1)
  t.match(stdout, '1 author added, 0 already there, 2 refused.')
  t.match(stderr, /^line 3: .+ \/name must be/m)
  t.match(stderr, /^line 4: .+ \/booker_prize must be.+\/birth_year must be/m)
})

t.test('an account is taken from the environment', async (t) => {
  const { server, url } = await listen(t, { REGISTRATION: 'open' })
  await signIn(server, 'salman')
  const file = csv(t, HEADER, ',Ovid,Metamorphoses,Italy,false,-43,17')
  const account = { LIBRARY_USERNAME: 'salman', LIBRARY_PASSWORD: PASSWORD }

  const seeded = await seed([file, '--url', `${url}/`], account)
  t.match(seeded, { code: 0, stdout: `1 author added, 0 already there, 0 refused. See ${url}/docs\n` })
  t.notMatch(seeded.stdout, PASSWORD)

  const wrong = await seed([file, '--url', url], { ...account, LIBRARY_PASSWORD: 'not the moors last sigh' })
  t.match(wrong, { code: 1, stdout: '', stderr: `${url} has no account "salman" with this password` })

  const half = await seed([file, '--url', url], { LIBRARY_USERNAME: 'salman' })
  t.match(half, { code: 1, stdout: '', stderr: 'Set both LIBRARY_USERNAME and LIBRARY_PASSWORD' })
})

t.test('where registration is closed it asks for an account', async (t) => {
  const { url } = await listen(t, { REGISTRATION: 'closed' })
  t.match(await seed(['--url', url]), {
    code: 1,
    stdout: '',
    stderr: `Registration is closed at ${url}: set LIBRARY_USERNAME and LIBRARY_PASSWORD`
  })
})

t.test('what stops it is told in one sentence', async (t) => {
  const { server, url } = await listen(t)
  await server.close()
  const bad = csv(t, 'name,book', 'Ovid,Metamorphoses')
  const ragged = csv(t, HEADER, '1969,P. H. Newby')
  const cases: [string[], number, RegExp | string][] = [
    [['--url', url], 1, /^Nothing answers at \S+ \(ECONNREFUSED\): start the service with "npm start".+\n$/],
    [['nowhere.csv'], 1, 'There is no file nowhere.csv.\n'],
    [['test'], 1, 'test cannot be read (EISDIR).\n'],
    [[bad], 1, /is not a CSV file with the columns prize_year.+: it lacks prize_year, country.+\.\n$/],
    [[ragged], 1, /is not a CSV file with the columns.+ on line 2\.\n$/],
    [[csv(t, HEADER)], 1, /is not a CSV file with the columns.+: it has no rows\.\n$/],
    [[process.execPath], 1, /is not a CSV file with the columns.+\.\n$/],
    [['a.csv', 'b.csv'], 2, 'One file at a time.\nusage: '],
    [['--port', '80'], 2, /usage: npm run seed/]
  ]
  for (const [args, code, stderr] of cases) {
    t.match(await seed(args), { code, stdout: '', stderr }, args.join(' '))
  }
})

t.test('it waits as long as Retry-After says, but not for ever', async (t) => {
  const asked = { '/register': 0, '/login': 0, '/authors': 0 }
  const server = createServer((request, response) => {
    const address = request.url as keyof typeof asked
    asked[address] += 1
    const isBusy = address === '/authors' || asked[address] === 1
    response.statusCode = isBusy ? 503 : address === '/login' ? 200 : 201
    response.setHeader('retry-after', '0.2').end(JSON.stringify({ detail: 'Busy.' }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const file = csv(t, HEADER, ',Ovid,Metamorphoses,Italy,false,-43,17')

  const began = performance.now()
  const seeded = await seed([file, '--url', url])
  t.match(seeded, { code: 1, stderr: 'line 2: Busy.\n' })
  t.ok(performance.now() - began > 6 * 200)
  t.same(asked, { '/register': 2, '/login': 2, '/authors': 5 })
})
