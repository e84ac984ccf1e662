import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { updateUser } from '../../db/users.ts'
import { wholeDocument } from '../../scripts/fuzz/document.ts'
import { test } from '../engines.ts'
import {
  AUTHOR,
  basic,
  buildApp,
  directly,
  holdWriting,
  listen,
  PASSWORD,
  signIn,
  signInAdmin,
  startServer
} from '../helpers.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

test('a problem document has every member, and its type leads to an explanation', async (t) => {
  const server = await buildApp(t)
  const answer = await server.inject('/nowhere')
  t.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
  t.strictSame(answer.json(), {
    type: '/problems/route-not-found',
    title: 'There is nothing at this address',
    status: 404,
    detail: 'There is nothing at /nowhere.',
    instance: answer.headers['x-request-id'],
    code: 'ROUTE_NOT_FOUND'
  })
  const explanation = await server.inject(answer.json().type)
  t.match(explanation.json(), { code: 'ROUTE_NOT_FOUND', remedy: /GET \// })
})

test('an address that nothing is at names the one that may have been meant', async (t) => {
  const server = await buildApp(t)
  for (const [line, nearest] of [
    ['GET /author', '/authors'],
    ['POST /author', '/authors'],
    ['DELETE /user/1', '/users/1'],
    ['GET /atuhors/x/hsitory', '/authors/x/history'],
    ['GET /Authors', '/authors'],
    ['GET //authors', '/authors'],
    ['GET /api/v1/authors/x', '/authors/x'],
    ['GET /openapi', '/openapi.json'],
    ['GET /health', '/health/live'],
    ['GET /me/kyes?limit=1', '/me/keys'],
    ['PUT /logn', '/login, which takes POST'],
    ['GET /authors/x/restor', '/authors/x/restore, which takes POST'],
    ['GET /change/stream', '/changes/stream']
  ] as const) {
    const [method, url] = line.split(' ') as ['GET', string]
    const { detail } = (await server.inject({ method, url })).json()
    t.equal(detail, `There is nothing at ${url.split('?')[0]}; the nearest address is ${nearest}.`, line)
  }
  const far = [
    '/wholly/else',
    '/x',
    '/docs/static/swagger-ui.jss',
    '/books',
    `/${'authors'.repeat(9)}`,
    '/a/b/c/me/x'
  ]
  for (const url of far) t.equal((await server.inject(url)).json().detail, `There is nothing at ${url}.`, url)
})

test('an unknown field or parameter names the one that may have been meant', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const payload = { ...AUTHOR, brith_year: 1947, shoe_size: 44 }
  const body = await server.inject({ method: 'POST', url: '/authors', headers, payload })
  const query = await server.inject({ url: '/authors?contry=India&page=2', headers })
  t.match(body.json().errors, [
    { pointer: '/brith_year', detail: /^is not a known field; did you mean birth_year\? known are name, / },
    { pointer: '/shoe_size', detail: /^is not a known field; known are name, / }
  ])
  t.match(query.json().errors, [
    { pointer: '/contry', detail: /^is not a known query parameter; did you mean country\? known are q, / },
    { pointer: '/page', detail: /^is not a known query parameter; known are q, / }
  ])
})

test('a wrong method is 405 with Allow, before anything else is looked at', async (t) => {
  const server = await buildApp(t)
  const cases = [
    ['PUT', '/authors', 'GET, HEAD, OPTIONS, POST'],
    ['POST', '/authors/salman-rushdie', 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT'],
    ['POST', '/users/1', 'DELETE, GET, HEAD, OPTIONS, PATCH'],
    ['GET', '/login', 'OPTIONS, POST'],
    ['POST', '/', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/authors/', 'GET, HEAD, OPTIONS, POST'],
    ['PUT', 'http://other.example/authors?x=1', 'GET, HEAD, OPTIONS, POST']
  ] as const
  for (const [method, url, allow] of cases) {
    const answer = await server.inject({
      method,
      url,
      payload: 'rubbish',
      headers: { 'content-type': 'text/plain' }
    })
    t.equal(answer.statusCode, 405, `${method} ${url}`)
    t.equal(answer.headers.allow, allow)
    t.match(answer.json(), { code: 'METHOD_NOT_ALLOWED' })
  }
})

test('OPTIONS tells the methods, and HEAD is GET without the body', async (t) => {
  const server = await buildApp(t)
  const options = await server.inject({ method: 'OPTIONS', url: '/authors' })
  t.match(options, { statusCode: 204, headers: { allow: 'GET, HEAD, OPTIONS, POST' }, body: '' })
  t.equal((await server.inject({ method: 'OPTIONS', url: '/nowhere' })).statusCode, 404)
  const { headers } = await signIn(server)
  const [head, get] = await Promise.all([
    server.inject({ method: 'HEAD', url: '/authors', headers }),
    server.inject({ url: '/authors', headers })
  ])
  t.match(head, { statusCode: 200, body: '' })
  t.equal(head.headers['content-length'], get.headers['content-length'])
})

test('an address that is no URL is a problem too', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  for (const url of ['/authors/%zz', '/authors/%ff']) {
    const answer = await server.inject({ url, headers })
    t.match(answer, { statusCode: 400, headers: { 'x-request-id': /./ } }, url)
    t.match(answer.json(), { code: 'MALFORMED_REQUEST' })
  }
  const odd = [
    "/authors/'%20or%201=1--",
    '/authors/%00',
    `/authors/${'x'.repeat(500)}`,
    '/users/1',
    '/problems/x'
  ]
  for (const url of odd) t.equal((await server.inject({ url, headers })).statusCode, 404, url)
  t.equal((await server.inject({ url: `/authors/${'x'.repeat(600)}`, headers })).statusCode, 414)
})

test('what a body must not be is told as what it is', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const cases: [string, string | Buffer, object, number, string][] = [
    ['empty', '', JSON_TYPE, 400, 'VALIDATION_FAILED'],
    ['truncated', '{"name": "Sal', JSON_TYPE, 400, 'MALFORMED_JSON'],
    ['two texts', '{} {}', JSON_TYPE, 400, 'MALFORMED_JSON'],
    ['a list', '[]', JSON_TYPE, 400, 'VALIDATION_FAILED'],
    ['null', 'null', JSON_TYPE, 400, 'VALIDATION_FAILED'],
    ['a string', '"Salman"', JSON_TYPE, 400, 'VALIDATION_FAILED'],
    ['__proto__', '{"__proto__": {"admin": true}}', JSON_TYPE, 400, 'MALFORMED_JSON'],
    ['constructor.prototype', '{"constructor": {"prototype": {}}}', JSON_TYPE, 400, 'MALFORMED_JSON'],
    ['deeply nested', '['.repeat(100_000), JSON_TYPE, 400, 'MALFORMED_JSON'],
    [
      'deeply nested, whole',
      `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
      JSON_TYPE,
      400,
      'VALIDATION_FAILED'
    ],
    [
      'deeply nested field',
      `{"name": ${'['.repeat(9999)}${']'.repeat(9999)}}`,
      JSON_TYPE,
      400,
      'VALIDATION_FAILED'
    ],
    ['invalid UTF-8', Buffer.from('{"name":"\xff\xfe"}', 'latin1'), JSON_TYPE, 400, 'MALFORMED_JSON'],
    ['10 MB', Buffer.alloc(10_000_000, ' '), JSON_TYPE, 413, 'BODY_TOO_LARGE'],
    [
      'a form',
      'name=Salman',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'UNSUPPORTED_MEDIA_TYPE'
    ],
    ['text/plain', '{}', { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['an odd type', '{}', { 'content-type': 'rubbish' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no type', Buffer.from('{}'), {}, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['compressed', '{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [
      'another charset',
      '{}',
      { 'content-type': 'application/json; charset=utf-16' },
      415,
      'UNSUPPORTED_MEDIA_TYPE'
    ]
  ]
  for (const [title, payload, type, status, code] of cases) {
    const answer = await server.inject({
      method: 'POST',
      url: '/authors',
      headers: { ...headers, ...type },
      payload
    })
    t.equal(answer.statusCode, status, title)
    t.match(answer.json(), { code, status }, title)
    t.notMatch(
      answer.body,
      /Salman|admin|node_modules|Unexpected/,
      `${title}: nothing of the input or the inside is shown`
    )
  }
})

interface Operation {
  requestBody?: { content: Record<string, object> }
  responses: Record<string, { content?: Record<string, { examples?: object }> }>
}

/** The operations of the document that match, each as a function that sends it as an admin who owns Rushdie. */
async function operationsOf(t: Test, matches: (operation: Operation, method: string) => boolean) {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  await updateUser(directly(t, server), id, { role: 'admin' })
  await server.inject({ method: 'POST', url: '/authors', headers, payload: AUTHOR })
  const { paths } = wholeDocument((await server.inject('/openapi.json')).json())
  return Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([address, operations]) =>
    Object.entries(operations)
      .filter(([method, operation]) => matches(operation, method))
      .map(([method, { requestBody, responses }]) => {
        const title = `${method.toUpperCase()} ${address}`
        const url = address.replace('{author}', 'salman-rushdie').replace(/{\w+}/, id)
        const send = async (fields: Record<string, string>, payload?: string | Readable) => {
          const answer = await server.inject({
            method: method as 'POST',
            url,
            headers: { ...headers, ...fields },
            ...(payload !== undefined && { payload })
          })
          const { code } = answer.body.startsWith('{') ? answer.json() : { code: undefined }
          const documented = responses[answer.statusCode]?.content?.['application/problem+json']?.examples
          t.ok(
            answer.statusCode in responses && (code === undefined || code in (documented ?? {})),
            `${title} documents ${answer.statusCode} ${code}, for ${JSON.stringify(fields)}`
          )
          return { status: answer.statusCode, code, answer }
        }
        return { title, types: Object.keys(requestBody?.content ?? {}), send }
      })
  )
}

/** Media types in the forms that HTTP allows, each with a body. */
const BODIES = new Map([
  ['application/json', '{}'],
  ['APPLICATION/JSON;', '{}'],
  ['application/json ; charset="UTF-8"', '{}'],
  ['application/merge-patch+json', '{}'],
  ['Application/Merge-Patch+JSON\t; x=y', '{}'],
  ['application/x-ndjson', '{}\n'],
  ['text/csv; header=present', 'name,book,country\n']
])
const ODD_TYPES = [
  '',
  ';',
  'text',
  'text/',
  'application/json, text/csv',
  '*/*',
  'text/plain',
  'multipart/form-data'
]

t.test('an operation that needs a body says so, whatever of it is missing or of another type', async (t) => {
  const operations = await operationsOf(t, ({ requestBody }) => requestBody !== undefined)
  t.ok(operations.length > 10)
  for (const { title, types, send } of operations) {
    const accept = types.join(', ')
    const required = {
      code: 'VALIDATION_FAILED',
      errors: [{ pointer: '', detail: `is required, as ${types.join(' or ')}` }]
    }
    const isRefused = async (fields: Record<string, string>, payload: string | Readable) => {
      const { status, answer } = await send(fields, payload)
      t.match(
        { status, accept: answer.headers.accept },
        { status: 415, accept },
        `${title} ${JSON.stringify(fields)}`
      )
    }
    for (const [name, value] of [
      ['content-length', '0'],
      ['content-encoding', 'gzip'],
      ['accept', '*/*']
    ] as const) {
      const { status, answer } = await send({ [name]: value })
      t.match({ status, ...answer.json() }, { status: 400, ...required }, `${title} without a body`)
    }
    for (const [type, body] of BODIES) {
      if (!types.includes(essenceOf(type))) await isRefused({ 'content-type': type }, body)
      else t.not((await send({ 'content-type': type }, body)).status, 415, `${title} takes ${type}`)
    }
    for (const type of types) {
      await isRefused({ 'content-type': `${type}; charset=utf-16` }, 'x')
      await isRefused({ 'content-type': type, 'content-encoding': 'gzip' }, 'x')
    }
    for (const type of ODD_TYPES) await isRefused({ 'content-type': type }, '{}')
    await isRefused({ 'transfer-encoding': 'chunked' }, Readable.from(['{}']))
    for (const type of [...types.filter((name) => /[/+]json$/.test(name)), 'text/plain', undefined]) {
      const fields = { 'transfer-encoding': 'chunked', ...(type && { 'content-type': type }) }
      for (const [more, body] of [
        [{}, ''],
        [fields, Readable.from([''])]
      ] as const) {
        const { status, answer } = await send({ ...(type && { 'content-type': type }), ...more }, body)
        t.match({ status, ...answer.json() }, { status: 400, ...required }, `${title} with an empty body`)
      }
    }
  }
})

function essenceOf(type: string): string {
  return (type.split(';', 1)[0] as string).trim().toLowerCase()
}

t.test('what an operation without a body answers to one is documented', async (t) => {
  const operations = await operationsOf(t, ({ requestBody }) => requestBody === undefined)
  for (const { title, send } of operations.filter(({ title }) => !/logout|stream/.test(title))) {
    const sent = [...BODIES.keys(), ...ODD_TYPES].map((type) => [{ 'content-type': type }, 'x'] as const)
    const large = 'x'.repeat(1024 * 1024 + 1)
    for (const [fields, body] of [...sent, [JSON_TYPE, large] as const]) await send(fields, body)
    for (const name of ['content-type', 'x-other']) {
      const fields = { [name]: 'text/plain', 'transfer-encoding': 'chunked' }
      const { status } = await send(fields, Readable.from(['']))
      t.not(status, 415, `${title} takes an empty body for none`)
    }
  }
})

test('a body of which something would be lost is refused, and why is told', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const cases: [text: string, detail: string][] = [
    ['{"name":"Ovid","name":"Virgil"}', 'The body names "name" twice, at line 1, column 16.'],
    [
      '{"birth_year":1947,"b\\u0069rth_year":1948}',
      'The body names "birth_year" twice, at line 1, column 20.'
    ],
    [
      '{"identifiers":{"viaf":"1"},"identifiers":{}}',
      'The body names "identifiers" twice, at line 1, column 29.'
    ],
    ['{"identifiers":{"isni":null,"isni":null}}', 'The body names "isni" twice, at line 1, column 29.'],
    ['[{"a":1},{"b":{"":1,"":2}}]', 'The body names "" twice, at line 1, column 21.'],
    [
      `{"${'n'.repeat(99)}":1,"${'n'.repeat(99)}":2}`,
      `The body names "${'n'.repeat(59)}… twice, at line 1, column 106.`
    ],
    [
      '{"birth_year":1e-400}',
      'The body has the number 1e-400, which cannot be kept as it is, at line 1, column 15.'
    ],
    [
      '{"birth_year":\r\n\n\r-2e999}',
      'The body has the number -2e999, which cannot be kept as it is, at line 4, column 1.'
    ],
    [
      '{"note":[9007199254740993]}',
      'The body has the number 9007199254740993, which cannot be kept as it is, at line 1, column 10.'
    ],
    [
      `{"a":1.${'0'.repeat(99)}1}`,
      `The body has the number 1.${'0'.repeat(58)}…, which cannot be kept as it is, at line 1, column 6.`
    ],
    [`[${'0,'.repeat(20_000)}0]`, 'The body has more than 20000 names and values.'],
    [`{"a":1,"a":1e999,"b":[${'0,'.repeat(20_000)}0]}`, 'The body has more than 20000 names and values.'],
    ['{"__proto__":1}', 'The body has a "__proto__" or "constructor" key, which is not taken.'],
    ...Object.entries({
      '{"name":': 'line 1, column 9, a value',
      ' ': 'line 1, column 2, a value',
      "{'name': 1}": 'line 1, column 2, a name in double quotes or "}"',
      '{"name": "Ovid",}': 'line 1, column 17, a name in double quotes',
      '{\n  "name": "Ovid"\n  "book": "Amores"\n}': 'line 3, column 3, "," or "}"',
      '{"name" "Ovid"}': 'line 1, column 9, ":"',
      '{"name": Ovid}': 'line 1, column 10, a value',
      '{"🙂🙂": undefined}': 'line 1, column 8, a value',
      '{"name": "Ov\nid"}': 'line 1, column 13, an escape such as \\n in place of a control character',
      '{"name": "Ov\\id"}':
        'line 1, column 13, an escape of JSON: \\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four digits',
      '{"name": "Ovid}': 'line 1, column 16, the double quote that ends the text',
      '{"year": 017, "year": 1}': 'line 1, column 11, "," or "}"',
      '[1 2]': 'line 1, column 4, "," or "]"',
      '[1, 2,]': 'line 1, column 7, a value',
      '[-]': 'line 1, column 2, a value or "]"',
      '{} {}': 'line 1, column 4, the end of the text'
    }).map(([text, told]): [string, string] => [text, `The body is not a JSON text: at ${told} is expected.`])
  ]
  for (const [payload, detail] of cases) {
    const answer = await server.inject({
      method: 'POST',
      url: '/authors',
      headers: { ...headers, ...JSON_TYPE },
      payload
    })
    t.match(answer.json(), { status: 400, code: 'MALFORMED_JSON', detail }, payload.slice(0, 60))
  }
  for (const [bytes, place] of [
    ['{"name":"\xff"}', 'line 1, column 10'],
    ['{"name":\n"\xef\xbf\xbd\xc3\xa9 \xef\xbf\xbd\xe9"}', 'line 2, column 6'],
    ['{"name":"a\xef\xbf', 'line 1, column 11']
  ] as const) {
    const payload = Buffer.from(bytes, 'latin1')
    const answer = await server.inject({
      method: 'POST',
      url: '/authors',
      headers: { ...headers, ...JSON_TYPE },
      payload
    })
    t.equal(answer.json().detail, `The body is not in UTF-8, at ${place}.`)
  }
  const written =
    '{"name":"Ovid","book":"Amores","country":"Rome","birth_year":-4.3e1,"death_year":17.000000000000000000}'
  const answer = await server.inject({
    method: 'POST',
    url: '/authors',
    headers: { ...headers, ...JSON_TYPE },
    payload: written
  })
  t.match(answer.json(), { birth_year: -43, death_year: 17 }, 'a number may be written as one likes')
})

test('every wrong field is named, with a pointer and what is expected', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const refused = async (payload: object) => {
    const answer = await server.inject({ method: 'POST', url: '/authors', headers, payload })
    t.equal(answer.statusCode, 400, JSON.stringify(payload).slice(0, 100))
    return answer.json().errors as { pointer: string; detail: string }[]
  }
  t.strictSame(
    (await refused({})).map(({ pointer }) => pointer),
    ['/name']
  )
  const cases: [object, string, RegExp][] = [
    [{ name: 5 }, '/name', /must be string; expected: The author’s name/],
    [{ name: null }, '/name', /must be string/],
    [{ name: '' }, '/name', /^is empty; expected: The author’s name/],
    [{ name: ' \t ' }, '/name', /^is blank: it has white space alone/],
    [{ name: '\u200b\u2800\u3164\u0301' }, '/name', /^has nothing that can be seen/],
    [{ name: 'a\u0000b' }, '/name', /^has U\+0000, the NUL character/],
    [{ name: 'a\ud800b' }, '/name', /^has U\+D800, half of a character/],
    [{ book: 'a\u001b$B' }, '/book', /^has U\+001B, a control character/],
    [{ country: 'a\u0085b' }, '/country', /^has U\+0085, a line break/],
    [{ name: 'a\tb' }, '/name', /^has a tab/],
    [{ note: 'a\u0000' }, '/note', /^has U\+0000/],
    [{ name: 'x'.repeat(201) }, '/name', /^has 201 characters; at most 200 characters are taken/],
    [{ name: '😀'.repeat(250) }, '/name', /^has 250 characters/],
    [{ book: '' }, '/book', /^is empty/],
    [{ country: '\u2800' }, '/country', /^is blank|^has nothing that can be seen/],
    [{ sort_name: '' }, '/sort_name', /^is empty/],
    [{ sort_name: 'x'.repeat(201) }, '/sort_name', /^has 201 characters/],
    [{ name: 'x'.repeat(1_000_000) }, '/name', /200/],
    [{ booker_prize: 'true' }, '/booker_prize', /must be boolean/],
    [{ birth_year: '1947' }, '/birth_year', /must be integer or null: send 1947 without quotes/],
    [{ booker_prize: 'false' }, '/booker_prize', /must be boolean, so false without quotes/],
    [
      { death_year: 'ca. 1873' },
      '/death_year',
      /"ca. 1873", which is no year alone: .* such as 1873, .* note/
    ],
    [{ birth_year: '70 BC' }, '/birth_year', /a year BC is a negative number: write -70/],
    [{ birth_year: ' ' }, '/birth_year', /^is blank; leave it out/],
    [
      { identifiers: { viaf: 108299403 } },
      '/identifiers/viaf',
      /must be string or null: put the number in quotes/
    ],
    [{ birth_year: 1947.5 }, '/birth_year', /must be integer/],
    [{ birth_year: 9999 }, '/birth_year', /2100/],
    [{ birth_year: 1947, death_year: 1900 }, '/death_year', /before birth_year, which is 1947/],
    [
      { id: '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21' },
      '/id',
      /not a known field; known are name, sort_name, book/
    ],
    [{ owner_id: '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21' }, '/owner_id', /not a known field/],
    [{ 'a/b~c': 1 }, '/a~1b~0c', /not a known field/],
    [{ identifiers: { viaf: 'x' } }, '/identifiers/viaf', /VIAF: digits/],
    [{ identifiers: { isni: '0000000121475021' } }, '/identifiers/isni', /check character/],
    [{ identifiers: { orcid: 'x' } }, '/identifiers/orcid', /known are viaf, isni, wikidata, openlibrary/]
  ]
  for (const [changes, pointer, detail] of cases) {
    const errors = await refused({ ...AUTHOR, ...changes })
    t.match(errors, [{ pointer, detail }], pointer)
    t.equal(errors.length >= 1, true)
  }
  const long = await refused({ ...AUTHOR, name: '\0'.repeat(201), identifiers: { isni: 'x'.repeat(217) } })
  t.match(
    long,
    [{ detail: /200 characters/ }, { detail: /has 217 characters; at most 200/ }],
    'of what is too long the form is not looked at'
  )
  t.equal(long.length, 2)
  t.match(
    await refused({ ...AUTHOR, name: `${'😀'.repeat(199)}\0` }),
    [{ detail: /U\+0000/ }],
    'and counted as characters'
  )
  const many = await refused(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field${i}`, 1])))
  t.equal(many.length, 20, 'no more than a person can read')
})

test('queries are strict too', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const cases: [string, string, RegExp][] = [
    ['/authors?limit=-1', '/limit', /at least 1/],
    ['/authors?limit=0', '/limit', /at least 1/],
    ['/authors?limit=1000000', '/limit', /at most 100/],
    ['/authors?limit=abc', '/limit', /integer/],
    ['/authors?limit=', '/limit', /integer/],
    ['/authors?limit=Infinity', '/limit', /integer/],
    ['/users?limit=-Infinity', '/limit', /integer/],
    ['/authors?limit=0x10', '/limit', /integer/],
    ['/authors?limit=1e1', '/limit', /integer/],
    ['/authors?limit=%205', '/limit', /integer/],
    ['/authors?limit=05', '/limit', /integer/],
    ['/authors?limit=1.5', '/limit', /integer/],
    ['/authors?limit=1&limit=2', '/limit', /may be given only once; known are q, country/],
    ['/authors?offset=20', '/offset', /not a known query parameter; known are q, country.* limit, cursor/],
    ['/me?verbose=1', '/verbose', /none is taken here/],
    ['/health/live?x', '/x', /none is taken here/]
  ]
  for (const [url, pointer, detail] of cases) {
    const answer = await server.inject({ url, headers })
    t.equal(answer.statusCode, 400, url)
    t.match(answer.json().errors, [{ pointer, detail }], url)
  }
})

test('a query takes every number that the document takes', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  for (const [since, status] of [
    ['9007199254740991', 200],
    ['9007199254740992', 400],
    ['9007199254740993', 400],
    ['-1', 400]
  ] as const) {
    const answer = await server.inject({ url: `/changes?since=${since}`, headers })
    t.equal(answer.statusCode, status, since)
  }
})

test('an unexpected failure shows nothing of the inside', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await directly(t, server).schema.alterTable('authors').renameTo('gone').execute()
  const answer = await server.inject({ url: '/authors', headers })
  t.equal(answer.statusCode, 500)
  t.match(answer.json(), { code: 'INTERNAL_ERROR', instance: answer.headers['x-request-id'] })
  t.notMatch(answer.body, /authors|select|sqlite|table/i)
})

test('a database that is locked or full is 503 with Retry-After, and reads go on', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const other = await holdWriting(t, server)
  const create = () => server.inject({ method: 'POST', url: '/authors', headers, payload: AUTHOR })
  const answer = await create()
  t.match(answer, { statusCode: 503, headers: { 'retry-after': '5' } })
  t.match(answer.json(), { code: 'STORAGE_UNAVAILABLE' })
  t.equal((await server.inject({ url: '/authors', headers })).statusCode, 200)
  await other.exec('rollback')
  t.equal((await create()).statusCode, 201, 'and writes go on when it is over')
})

test('what never became a request is answered with a problem too', async (t) => {
  const { server, url } = await listen(t, { REQUEST_TIMEOUT: 1 })
  const port = Number(new URL(url).port)
  await answersRaw(t, port, 'RUBBISH\r\n\r\n', 400, 'MALFORMED_REQUEST')
  await answersRaw(t, port, 'GET / HTTP/1.1\r\nbad header\r\n\r\n', 400, 'MALFORMED_REQUEST')
  await answersRaw(
    t,
    port,
    `GET / HTTP/1.1\r\nhost: x\r\nlong: ${'x'.repeat(20_000)}\r\n\r\n`,
    431,
    'HEADERS_TOO_LARGE'
  )
  await answersRaw(t, port, 'GET / HTTP/1.1\r\nhost: x\r\n', 408, 'REQUEST_TIMEOUT')
  const body =
    'POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'
  await answersRaw(t, port, body, 408, 'REQUEST_TIMEOUT')
  t.equal((await server.inject('/health/live')).statusCode, 200)
})

test('a client that sends nothing in chunks logs in', async (t) => {
  const { server, url } = await listen(t)
  await signIn(server, 'salman')
  const headers = { authorization: basic('salman', PASSWORD) }
  const body = Readable.toWeb(Readable.from([]))
  const answer = await fetch(`${url}/login`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
  t.equal(answer.status, 200)
  t.match(await answer.json(), { token_type: 'Bearer' })
})

test('good requests are answered though rubbish comes behind them', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  const body = JSON.stringify(AUTHOR)
  const head = `host: x\r\nauthorization: ${headers.authorization}\r\n`
  const post = `POST /authors HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  socket.write(`${post}GET /me HTTP/1.1\r\n${head}\r\nRUBBISH\r\n\r\n`)
  await once(socket, 'close')
  t.strictSame(
    Buffer.concat(chunks)
      .toString()
      .match(/HTTP\/1\.1 \d+/g),
    ['HTTP/1.1 201', 'HTTP/1.1 200', 'HTTP/1.1 400']
  )
})

test('a client that goes away does no harm', async (t) => {
  const { server, url } = await listen(t)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(
    'POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'
  )
  socket.resetAndDestroy()
  await once(socket, 'close')
  const payload = { username: 'salman', password: PASSWORD }
  t.equal((await server.inject({ method: 'POST', url: '/register', payload })).statusCode, 201)
})

t.test('a client that has gone before its request is read is no failure of the service', async (t) => {
  const { child, exited, output, url } = await startServer(t)
  const login = `POST /login HTTP/1.1\r\nhost: x\r\nauthorization: ${basic('nobody', PASSWORD)}\r\n\r\n`
  const json = JSON.stringify({ refresh_token: 'x' })
  const refresh = `POST /refresh HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n${json}`
  for (const request of [login, refresh, login, refresh, login, refresh]) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(request, () => socket.resetAndDestroy())
    await once(socket, 'close')
  }
  const headers = { authorization: basic('nobody', PASSWORD) }
  t.equal((await fetch(`${url}/login`, { method: 'POST', headers })).status, 401)
  child.kill('SIGTERM')
  t.equal(await exited, 0)
  t.notMatch(output(), /TypeError/)
})

async function answersRaw(t: Test, port: number, bytes: string, status: number, code: string) {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(bytes)
  await once(socket, 'close')
  const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n')
  t.match(head, new RegExp(`^HTTP/1.1 ${status} `), code)
  t.match(head, /content-type: application\/problem\+json[\s\S]*x-request-id: \S+/i)
  t.match(JSON.parse(body), { code, status })
}

test('a text that is refused is told by what is wrong with it, wherever it is sent', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const post = (url: string, payload: object, more = {}) =>
    server.inject({ method: 'POST', url, headers: { ...headers, ...more }, payload })
  const register = (username: string, password = PASSWORD) => post('/register', { username, password })
  const cases: [Awaited<ReturnType<typeof post>>, string, RegExp][] = [
    [await register(''), '/username', /^is empty; expected: 3 to 64/],
    [await register('   '), '/username', /^is blank/],
    [await register('ab'), '/username', /^has 2 characters; at least 3 are wanted/],
    [await register('-anna'), '/username', /^begins with "-"; expected/],
    [await register('...'), '/username', /^has no letter or digit/],
    [await register('anna maria'), '/username', /^has a space, which is not taken here/],
    [await register('anna\u200bmaria'), '/username', /^has U\+200B, a character that cannot be seen/],
    [await register('anna', 'the moors\tlast sigh'), '/password', /^has a tab, which/],
    [await register('anna', 'the moors\u2028last sigh'), '/password', /^has U\+2028, a line break/],
    [await post('/me/keys', { name: 'a\nb', scope: 'read' }), '/name', /^has U\+000A, a line break/],
    [
      await post('/me/keys', { name: 'a', scope: 'read', expires_at: 'tomorrow' }),
      '/expires_at',
      /^is "tomorrow", which is no time such as 20/
    ],
    [await post('/authors', AUTHOR, { 'idempotency-key': 'é' }), '/idempotency-key', /^has "é", which/],
    [await server.inject({ url: '/authors?owner=anna', headers }), '/owner', /^is "anna"; expected: The id/],
    [await server.inject({ url: '/authors?q=%20', headers }), '/q', /^has no letter or digit/],
    [
      await server.inject({ url: '/authors?identifier.isni=0000%200000%201234', headers }),
      '/identifier.isni',
      /has 12 characters; an ISNI has 16/
    ]
  ]
  for (const [answer, pointer, detail] of cases) {
    t.equal(answer.statusCode, 400, `${pointer} ${detail}`)
    t.match(answer.json().errors, [{ pointer, detail }])
    t.equal(answer.json().errors.length, 1, 'once')
  }
})

test('another charset than UTF-8 is refused by its name, and UTF-8 is taken under any', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const send = (type: string, method: 'POST' | 'PATCH', url: string, payload: string) =>
    server.inject({ method, url, headers: { ...headers, 'content-type': type }, payload })
  const routes = [
    ['POST', '/authors', 'application/json', '{}'],
    ['PATCH', '/authors/nobody', 'application/merge-patch+json', '{}'],
    ['POST', '/authors/import', 'text/csv', 'name\n'],
    ['POST', '/authors/import', 'application/jsonl', '{}']
  ] as const
  for (const [method, url, essence, body] of routes) {
    for (const [parameters, charset] of [
      ['; charset=iso-2022-jp', 'iso-2022-jp'],
      [';charset="windows-1252"', 'windows-1252'],
      ['; header=present; Charset = utf-16le', 'utf-16le'],
      ['; charset=utf-8; charset=latin1', 'latin1'],
      ['; charset="koi8-r', 'koi8-r'],
      ['; charset=', '']
    ]) {
      const answer = await send(essence + parameters, method, url, body)
      t.equal(answer.statusCode, 415, essence + parameters)
      t.ok(answer.json().detail.endsWith(`, but it says charset=${charset}.`), answer.json().detail)
    }
    for (const parameters of [
      '; charset=UTF8',
      ';CHARSET="utf-8"',
      '; charset=us-ascii',
      '; charset=utf_8 ; x=1',
      '; profile="a; charset=latin1"',
      '; charset',
      '; x=y;'
    ])
      t.not((await send(essence + parameters, method, url, body)).statusCode, 415, essence + parameters)
  }
})

test('a choice that is none names the one that may have been meant', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signInAdmin(server)
  const detailOf = async (url: string) => {
    const answer = await server.inject({ url, headers })
    t.equal(answer.statusCode, 400)
    return answer.json().errors[0].detail
  }
  const orders =
    'must be one of name, -name, created_at, -created_at, updated_at, -updated_at, birth_year, -birth_year'
  t.ok(
    (await detailOf('/authors?sort=naem')).startsWith(`${orders}; did you mean name?; expected: The order`)
  )
  t.ok((await detailOf('/authors?sort=-creatd_at')).startsWith(`${orders}; did you mean -created_at?`))
  t.ok((await detailOf('/authors?sort=title')).startsWith(`${orders}; expected: `))
  t.match(await detailOf('/users?role=edtor'), /; did you mean editor\?/)
})
