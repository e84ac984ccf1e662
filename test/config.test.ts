import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import t from 'tap'
import { loadConfig, metricsPortOf, workersOf } from '../config.ts'
import { temporaryFolder } from './helpers.ts'

t.test('there is a default for everything, so that nothing must be configured', async (t) => {
  t.match(loadConfig({}), {
    HOST: '127.0.0.1',
    PORT: 3000,
    DATABASE_URL: 'data/library.db',
    LOG_LEVEL: 'info',
    REGISTRATION: 'open'
  })
})

t.test('variables are converted, and others ignored', async (t) => {
  t.match(loadConfig({ PORT: '8080', HOME: '/root' }), { PORT: 8080 })
  t.notOk('HOME' in loadConfig({ HOME: '/root' }))
})

t.test('a bad variable is named with what it got and what it expects', async (t) => {
  const cases: [Record<string, string>, string][] = [
    [{ PORT: 'abc' }, 'PORT is "abc", but must be a whole number from 0 to 65535.'],
    [{ PORT: '99999' }, 'PORT is 99999, but must be a whole number from 0 to 65535.'],
    [
      { LOG_LEVEL: 'loud' },
      'LOG_LEVEL is "loud", but must be one of fatal, error, warn, info, debug, trace, silent.'
    ],
    [{ REGISTRATION: 'maybe' }, 'REGISTRATION is "maybe", but must be one of open, closed.'],
    [
      { ACCESS_TOKEN_TTL: '0' },
      'ACCESS_TOKEN_TTL is 0, but must be a whole number of seconds from 1 to 86400.'
    ]
  ]
  for (const [variables, message] of cases) t.throws(() => loadConfig(variables), { message }, message)
  t.throws(() => loadConfig(cases[0]?.[0] ?? {}), { name: 'ConfigRefused' })
})

t.test('WORKERS is a number, or one for each core', async (t) => {
  for (const [WORKERS, count] of [
    ['1', 1],
    ['64', 64],
    ['auto', Math.min(64, availableParallelism())]
  ] as const)
    t.equal(workersOf(loadConfig({ WORKERS })), count)
  for (const WORKERS of ['0', '65', '1.5', '-1', '', 'all', '01'])
    t.throws(() => loadConfig({ WORKERS }), {
      message: `WORKERS is "${WORKERS}", but must be auto (one for each core) or a whole number from 1 to 64.`
    })
})

t.test('metrics are off unless a port is set', async (t) => {
  const portFor = (METRICS_PORT?: string) =>
    metricsPortOf(loadConfig(METRICS_PORT === undefined ? {} : { METRICS_PORT }))
  for (const off of [undefined, '', '0']) t.equal(portFor(off), 0)
  t.equal(portFor('9464'), 9464)
  t.equal(loadConfig({}).METRICS_HOST, '127.0.0.1')
  t.equal(loadConfig({ METRICS_HOST: '[::1]' }).METRICS_HOST, '::1')
  for (const METRICS_PORT of ['-1', '65536', 'x', '1.5', ' 1', '9464 ', '0x10', '1e3'])
    t.throws(() => loadConfig({ METRICS_PORT }), {
      message: `METRICS_PORT is "${METRICS_PORT}", but must be empty or 0 for none, or a whole number to 65535.`
    })
  for (const [HOST, METRICS_HOST] of [
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['10.0.0.1', '::']
  ] as const)
    t.throws(() => loadConfig({ HOST, METRICS_HOST, PORT: '3001', METRICS_PORT: '3001' }), {
      message: 'METRICS_PORT is 3001, as PORT is: metrics need a port of their own.'
    })
  t.ok(loadConfig({ HOST: '10.0.0.1', PORT: '3001', METRICS_PORT: '3001' }))
  t.throws(() => loadConfig({ METRICS_HOST: 'http://x' }), { message: /^METRICS_HOST is "http:\/\/x", but/ })
})

t.test('backups: how often, and how many are kept', async (t) => {
  for (const BACKUP_EVERY of ['1', '90s', '15m', '6h', '30d'])
    t.match(loadConfig({ BACKUP_EVERY }), { BACKUP_EVERY })
  for (const BACKUP_EVERY of ['0', '', '6 h', '1w', '-1', '1.5h', 'daily'])
    t.throws(
      () => loadConfig({ BACKUP_EVERY }),
      { message: /with a unit such as 90m, 6h or 1d\.$/ },
      BACKUP_EVERY
    )
  for (const BACKUP_KEEP of ['daily=1', 'weekly=4, hourly=0'])
    t.match(loadConfig({ BACKUP_KEEP }), { BACKUP_KEEP })
  for (const BACKUP_KEEP of ['', '7', 'yearly=1', 'daily=x', 'daily=1;weekly=1'])
    t.throws(
      () => loadConfig({ BACKUP_KEEP }),
      { message: /as in hourly=24,daily=7,weekly=5\.$/ },
      BACKUP_KEEP
    )
  t.throws(() => loadConfig({ BACKUP_DIR: ' x' }), {
    message: /must be empty, or the path of a folder for backups/
  })
})

t.test('several bad variables are told at once', async (t) => {
  t.throws(() => loadConfig({ PORT: 'x', HOST: '' }), {
    message: /HOST is ""[\s\S]*PORT is "x"|PORT is "x"[\s\S]*HOST is ""/
  })
})

t.test('proxies are named, never counted', async (t) => {
  const good = ['', 'loopback', '10.0.0.1', '10.0.0.0/8, ::1', 'fd00::/8,linklocal , uniquelocal']
  for (const TRUST_PROXY of good) t.equal(loadConfig({ TRUST_PROXY }).TRUST_PROXY, TRUST_PROXY)
  const bad = [
    '1',
    'true',
    '10.0.0.0/0',
    '10.0.0.0/33',
    '::1/129',
    '10.0.0',
    'loopback/8',
    'a proxy',
    ',',
    '10.0.0.1/8/8'
  ]
  for (const TRUST_PROXY of bad) {
    t.throws(
      () => loadConfig({ TRUST_PROXY }),
      {
        name: 'ConfigRefused',
        message: /^TRUST_PROXY is ".*", but must be empty, or a comma-separated list of the addresses/
      },
      TRUST_PROXY
    )
  }
})

t.test('how much of the past is kept says its units', async (t) => {
  for (const HISTORY_KEEP of ['forever', '1d', '365d', '20v', '1v,1d', '3650d,100v'])
    t.equal(loadConfig({ HISTORY_KEEP }).HISTORY_KEEP, HISTORY_KEEP)
  for (const HISTORY_KEEP of [
    '',
    '20',
    '20,365d',
    '0d',
    '-1v',
    '1.5d',
    '365 days',
    '20v,20v',
    '12h',
    '020v',
    '9999999d',
    'never'
  ])
    t.throws(
      () => loadConfig({ HISTORY_KEEP }),
      {
        name: 'ConfigRefused',
        message: `HISTORY_KEEP is "${HISTORY_KEEP}", but must be forever, an age in days such as 365d, a number of versions such as 20v, or both, such as 20v,365d, of which each keeps what it names.`
      },
      HISTORY_KEEP
    )
})

t.test('a database is a file or a PostgreSQL server, with its host and its name', async (t) => {
  for (const url of [
    'postgresql://x',
    'postgres:///library',
    'postgres://h:x/y',
    'mysql://x',
    'file:x.db',
    ''
  ]) {
    t.throws(
      () => loadConfig({ DATABASE_URL: url }),
      { message: /^DATABASE_URL is .*but must be a file path, a sqlite: URL or a postgres: URL/ },
      url
    )
  }
  t.throws(() => loadConfig({ DATABASE_URL: 'postgres://me:a/b?c#d@sea.example/books' }), {
    message: /^DATABASE_URL is "postgres:\/\/me:\*\*\*@sea\.example\/books".+; in a password write %2F for \//
  })
  const files = ['x.db', './x.db', '/tmp/x.db', 'sqlite:x.db', 'sqlite:///tmp/x.db', 'C:\\x.db']
  const servers = [
    'postgres://localhost/library',
    'postgresql://me:secret@[::1]:5433/library?sslmode=require'
  ]
  for (const url of [...files, ...servers]) t.equal(loadConfig({ DATABASE_URL: url }).DATABASE_URL, url)
})

t.test('no secret of a refused DATABASE_URL is shown', async (t) => {
  const cases = {
    'mysql://eve:my:own @ pass/?#@sea.example:3306/books': 'mysql://eve:***@sea.example:3306/books',
    'jdbc:oracle:thin://eve:tide@sea.example/x': 'jdbc:oracle:***@sea.example/x',
    'redis://:tide@sea.example': 'redis://:***@sea.example',
    'libsql://sea.example?tls=1&authToken=a?b=c&x=2': 'libsql://sea.example?tls=1&authToken=***&x=2',
    'sqlserver://sea.example;user=eve;PASSWORD=tide;x=1': 'sqlserver://sea.example;user=eve;PASSWORD=***;x=1',
    'mysql://eve@sea.example:3306/books?tls=1': 'mysql://eve@sea.example:3306/books?tls=1'
  }
  for (const [url, shown] of Object.entries(cases)) {
    const read = () => loadConfig({ DATABASE_URL: url })
    t.throws(
      read,
      { message: new RegExp(`^DATABASE_URL is ${RegExp.escape(JSON.stringify(shown))}, but`) },
      url
    )
  }
})

t.test('.env fills in what the environment leaves out', async (t) => {
  const before = process.cwd()
  process.chdir(temporaryFolder(t))
  t.teardown(() => process.chdir(before))
  t.equal(loadConfig({}, { dotenv: true }).PORT, 3000, 'no .env is needed')
  writeFileSync('.env', 'PORT=4000\nHOST=localhost\n')
  t.match(loadConfig({ PORT: '5000' }, { dotenv: true }), { PORT: 5000, HOST: 'localhost' })
  writeFileSync('.env', 'REGISTRATON=closed\n')
  const misspelt = {
    name: 'ConfigRefused',
    message: /^\.env names REGISTRATON, but the settings are HOST, PORT, .*REGISTRATION/
  }
  t.throws(() => loadConfig({}, { dotenv: true }), misspelt)
})
