import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { SEED_ACCOUNT_FILE } from '../../scripts/seed-account.ts'
import { test } from '../engines.ts'
import { basic, listen, PASSWORD, ROOT, signIn } from '../helpers.ts'
import { file } from './client/fakes.ts'

const HEADER = 'name,book,country,booker_prize,birth_year,death_year,note'
const SAMPLE = readFileSync(path.join(ROOT, 'data-samples/booker-winners.csv'), 'utf8').trim().split('\n')
const ROWS = SAMPLE.length - 1

async function seed(args: string[], variables: Record<string, string> = {}) {
  const nobody = { LIBRARY_TOKEN: '', LIBRARY_USERNAME: '', LIBRARY_PASSWORD: '' }
  const env = { ...process.env, ...nobody, ...variables }
  const child = spawn(process.execPath, ['scripts/seed.ts', ...args], { cwd: ROOT, env })
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await closed
  return { code, stdout, stderr }
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

t.test('the sample has the columns of an import, and every winner', async (t) => {
  t.equal(SAMPLE[0], HEADER)
  t.equal(ROWS, 60)
  for (const line of SAMPLE.slice(1)) t.match(line, /,true,\d{4},(\d{4})?,Booker Prize (19|20)\d\d$/)
})

test('the sample is loaded once, however often and by whomever it is seeded', async (t) => {
  const { server, url } = await listen(t)

  const first = await seed(['--url', url])
  t.match(first, { code: 0, stderr: '' })
  t.ok(first.stdout.endsWith(`\n${ROWS} authors created, 0 unchanged, 0 refused. See ${url}/docs\n`))
  const [, username = '', password = ''] =
    /^Registered (librarian-[0-9a-f]{6}) with the password (\S+)$/m.exec(first.stdout) ?? []
  const login = await fetch(`${url}/login`, {
    method: 'POST',
    headers: { authorization: basic(username, password) }
  })
  t.equal(login.status, 200, 'with what it printed a person can log in')

  const { headers, token } = await signIn(server)
  const second = await seed([], {
    HOST: '127.0.0.1',
    PORT: new URL(url).port,
    LIBRARY_TOKEN: token
  })
  t.strictSame(second, {
    code: 0,
    stdout: `0 authors created, ${ROWS} unchanged, 0 refused. See ${url}/docs\n`,
    stderr: ''
  })

  const authors = await listAll(url, headers)
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

t.test('rows that the service refuses are named by their line; the others are created', async (t) => {
  const { server, url } = await listen(t)
  await signIn(server, 'salman')
  const winners = file(
    t,
    'winners.csv',
    `${HEADER}
P. H. Newby,Something to Answer For,England,true,1918,1997,Booker Prize 1969
,The Elected Member,Wales,true,1923,2004,
V. S. Naipaul,In a Free State,Trinidad and Tobago,perhaps,c. 1932,2018,
`
  )
  const account = { LIBRARY_USERNAME: 'salman', LIBRARY_PASSWORD: PASSWORD }
  const { code, stdout, stderr } = await seed([winners, '--url', `${url}/`], account)
  t.equal(code, 1)
  t.equal(stdout, `1 author created, 0 unchanged, 2 refused. See ${url}/docs\n`, 'and nobody is registered')
  t.match(
    stderr,
    /^line 3: \/name is required\nline 4: \/booker_prize is "perhaps", .+\nline 4: \/birth_year is "c\. 1932", .+\n$/
  )
})

t.test('where registration is closed it asks for an account', async (t) => {
  const { url } = await listen(t, { REGISTRATION: 'closed' })
  t.strictSame(await seed(['--url', url]), {
    code: 1,
    stdout: '',
    stderr: `Registration is closed at ${url}: set LIBRARY_USERNAME and LIBRARY_PASSWORD to those of an account.\n`
  })
})

t.test('what stops it is told in one sentence', async (t) => {
  const { server, url } = await listen(t)
  await server.close()
  const cases: [string[], number, RegExp | string][] = [
    [
      ['--url', url],
      1,
      /^Nothing answers at \S+ \(ECONNREFUSED\): start the service with "npx library start".+\n$/
    ],
    [['nowhere.csv'], 1, /^nowhere\.csv cannot be read: .+\n$/],
    [['a.csv', 'b.csv'], 2, 'One file at a time.\nusage: npx library seed'],
    [['--port', '80'], 2, /^Unknown option.+\nusage: npx library seed/]
  ]
  for (const [args, code, stderr] of cases) {
    t.match(await seed(args), { code, stdout: '', stderr }, args.join(' '))
  }
})

t.test('a second seed makes no second account, and says so', async (t) => {
  const { server, url } = await listen(t)
  const first = await seed(['--url', url])
  const [, username] = /^Registered (\S+) with/m.exec(first.stdout) ?? []
  const again = await seed(['--url', url])
  t.match(again.stdout, new RegExp(`^No account was made: ${username} is that of an earlier run`))
  t.match(again.stdout, / 0 authors created, |\n0 authors created, /)
  t.equal((await server.db.selectFrom('users').select('id').execute()).length, 1)
  t.equal(statSync(SEED_ACCOUNT_FILE).mode & 0o777, 0o600)
  const other = await listen(t)
  t.match((await seed(['--url', other.url])).stdout, /^Registered/m, 'nor is it taken for another service')
})
