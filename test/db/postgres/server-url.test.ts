import t from 'tap'
import { loadConfig } from '../../../config.ts'
import { describeDatabase } from '../../../db/dialect.ts'
import { readServerUrl } from '../../../db/postgres/server-url.ts'

t.test('a URL names servers, a database, and how to connect', async (t) => {
  t.match(readServerUrl('postgres://ann:p%40ss%2F%3A@db.example/library'), {
    addresses: [{ host: 'db.example', port: 5432 }],
    user: 'ann',
    password: 'p@ss/:',
    database: 'library',
    tls: { mode: 'disable' },
    prepares: true,
    connections: 8
  })
  t.match(
    readServerUrl(
      'POSTGRESQL://ann@one:5433,[::1],two.example:1/l%20b?connections=20&prepare=off&sslmode=require'
    ),
    {
      addresses: [
        { host: 'one', port: 5433 },
        { host: '::1', port: 5432 },
        { host: 'two.example', port: 1 }
      ],
      database: 'l b',
      tls: { mode: 'require' },
      prepares: false,
      connections: 20
    }
  )
  t.strictSame(readServerUrl('postgres://a:b:c@d@h/x').addresses, [{ host: 'h', port: 5432 }])
  t.equal(readServerUrl('postgres://a:b:c@d@h/x').password, 'b:c@d')
  t.strictSame(readServerUrl('postgres:///x?host=/var/run/postgresql').addresses, [
    { host: '/var/run/postgresql', port: 5432 }
  ])
  t.equal(readServerUrl('postgres://%2Frun%2Fpg/x').addresses[0]?.host, '/run/pg')
  t.equal(readServerUrl('postgres://h/x?application_name=a+b').applicationName, 'a+b')
})

t.test('what is wrong with a URL is said, and nothing secret', async (t) => {
  const cases: [string, RegExp][] = [
    ['postgres://h,/x', /a host must be/],
    ['postgres://h:0/x', /port must be from 1/],
    ['postgres://h:70000/x', /port must be from 1/],
    ['postgres://::1/x', /a host must be/],
    ['postgres://h/', /no database/],
    ['postgres:///x', /no host/],
    ['postgres://h/a/b', /no database/],
    ['postgres:h/x', /no URL/],
    ['postgres://h/x#y', /no URL/],
    ['postgres://h/%zz', /written %25/],
    ['postgres://h/x?connections=3', /connections must be a whole number from 4 to 100/],
    ['postgres://h/x?connections=1e1', /connections must be/],
    ['postgres://h/x?sslmode=prefer', /sslmode must be one of disable, require, verify-ca, verify-full/],
    ['postgres://h/x?prepare=no', /prepare must be one of on, off/],
    ['postgres://h/x?target_session_attrs=any', /target_session_attrs must be/],
    ['postgres://h/x?constructor=1', /not one of prepare/],
    ['postgres://ann:tide?tide@h/x', /%3F/],
    ['postgres://ann:tide/tide@h/x', /%2F/]
  ]
  for (const [url, message] of cases) {
    try {
      loadConfig({ DATABASE_URL: url })
      t.fail(url)
    } catch (error) {
      t.match(error, { name: 'ConfigRefused', message })
      t.notMatch((error as Error).message, /tide/)
    }
  }
})

t.test('for people it is shown without its password', async (t) => {
  t.equal(
    describeDatabase('postgres://ann:tide@one:5433,two/library?sslmode=require'),
    'postgres://ann@one:5433,two/library'
  )
  t.equal(describeDatabase('postgres:///library?host=/run/pg'), 'postgres:///run/pg/library')
  t.equal(describeDatabase('postgres://h/library'), 'postgres://h/library')
})
