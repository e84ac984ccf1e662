import type { FastifyInstance } from 'fastify'
import { etagOf } from '../../db/authors/representation.ts'
import { test } from '../engines.ts'
import { AUTHOR, buildApp, PASSWORD, signIn } from '../helpers.ts'

type Headers = Record<string, string>

const create = (server: FastifyInstance, headers: Headers, payload: object = AUTHOR) =>
  server.inject({ method: 'POST', url: '/authors', headers, payload })

test('POST /authors creates an author that can be read by id and by slug', async (t) => {
  const server = await buildApp(t)
  const { id: owner_id, headers } = await signIn(server)
  const answer = await create(server, headers)
  t.equal(answer.statusCode, 201)
  const author = answer.json()
  t.match(author, { ...AUTHOR, slug: 'salman-rushdie', owner_id, version: 1, birth_year: null, note: null })
  t.strictSame(author.identifiers, { viaf: null, isni: null, wikidata: null, openlibrary: null })
  t.match(answer.headers, { location: '/authors/salman-rushdie', etag: etagOf(author) })
  for (const url of [answer.headers.location as string, `/authors/${author.id}`]) {
    const got = await server.inject({ url, headers })
    t.strictSame(got.json(), author)
    t.equal(got.headers.etag, etagOf(author))
  }
})

test('everything that is allowed comes back exactly as it was sent', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const odd = {
    name: '  O’Brien, "Flann"\u00a0🇮🇪 ',
    book: "Robert'); DROP TABLE authors;--",
    country: 'مصر \u202Eright to left',
    booker_prize: false,
    birth_year: -700,
    death_year: -650,
    identifiers: { viaf: '108299403', isni: '000000012146438X', wikidata: 'Q44306', openlibrary: 'OL20187A' },
    note: '=1+1\r\n\t<script>alert(1)</script> \u0001 \uFEFF é e\u0301 ﬁ'
  }
  const created = await create(server, headers, odd)
  t.match(created.statusCode, 201)
  const got = await server.inject({ url: created.headers.location as string, headers })
  t.match(got.json(), odd)
})

test('a slug of another script is an address too', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const created = await create(server, headers, { ...AUTHOR, name: '村上春樹' })
  t.equal(created.headers.location, '/authors/%E6%9D%91%E4%B8%8A%E6%98%A5%E6%A8%B9')
  t.equal((await server.inject({ url: created.headers.location as string, headers })).statusCode, 200)
  const korean = await create(server, headers, { ...AUTHOR, name: '한강' })
  for (const form of ['NFC', 'NFD'] as const) {
    const url = `/authors/${encodeURIComponent('한강'.normalize(form))}`
    t.equal((await server.inject({ url, headers })).json().id, korean.json().id, form)
  }
  const zora = (await create(server, headers, { ...AUTHOR, name: 'Zora Neale Hurston' })).json()
  for (const typed of ['Zora-Neale-Hurston', zora.id.toUpperCase()]) {
    t.equal((await server.inject({ url: `/authors/${typed}`, headers })).json().id, zora.id, typed)
  }
})

test('the same name and book is a duplicate, the same name with another book is not', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const coetzee = { name: 'J. M. Coetzee', book: 'Disgrace', country: 'South Africa' }
  await create(server, headers, coetzee)
  for (const copy of [coetzee, { ...coetzee, name: 'j. m. COETZEE', book: 'disgracé' }]) {
    const answer = await create(server, headers, copy)
    t.match(answer.json(), { code: 'AUTHOR_EXISTS', status: 409, detail: /\/authors\/j-m-coetzee / })
  }
  const slugs: string[] = []
  for (let i = 0; i < 12; i++) {
    slugs.push((await create(server, headers, { ...coetzee, book: `Book ${i}` })).json().slug)
  }
  t.strictSame(
    slugs,
    Array.from({ length: 12 }, (_, i) => `j-m-coetzee-${i + 2}`)
  )
})

test('20 simultaneous creations of one author make one', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const answers = await Promise.all(Array.from({ length: 20 }, () => create(server, headers)))
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [201, ...Array(19).fill(409)])
})

const typeOf = (method: 'PUT' | 'PATCH') =>
  method === 'PUT' ? 'application/json' : 'application/merge-patch+json'

test('a person with several books has one identifier, and nobody of another name has it', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const identifiers = { viaf: '31415', isni: '0000000121032683', wikidata: 'Q36322', openlibrary: 'OL21594A' }
  const austen = { name: 'Jané Austen', country: 'England', identifiers }
  const slugs: string[] = []
  for (const [name, book] of [
    ['Jané Austen', 'Emma'],
    ['JANE  austen', 'Persuasion'],
    ['Jane Austen', null]
  ]) {
    const answer = await create(server, headers, { ...austen, name, book })
    t.equal(answer.statusCode, 201, String(book))
    slugs.push(answer.json().slug)
  }
  t.match((await create(server, headers, { ...austen, book: 'EMMA' })).json(), {
    code: 'AUTHOR_EXISTS',
    detail: /\/authors\/jane-austen /
  })
  for (const [scheme, value] of Object.entries(identifiers)) {
    const other = { name: 'Cassandra Austen', book: 'Letters', identifiers: { [scheme]: value } }
    t.match((await create(server, headers, other)).json(), {
      code: 'IDENTIFIER_TAKEN',
      status: 409,
      detail: new RegExp(
        `author at /authors/jane-austen has the same ${scheme} identifier and another name; only`
      )
    })
    const found = await server.inject({
      url: `/authors?identifier.${scheme}=${value}&sort=created_at`,
      headers
    })
    t.same(
      found.json().data.map(({ slug }: { slug: string }) => slug),
      slugs,
      'a look-up finds all books of the person'
    )
  }

  const change = (method: 'PUT' | 'PATCH', slug: string, payload: object) =>
    server.inject({
      method,
      url: `/authors/${slug}`,
      headers: { ...headers, 'content-type': typeOf(method) },
      payload: JSON.stringify(payload)
    })
  const renaming = { code: 'IDENTIFIER_TAKEN', detail: /\/authors\/jane-austen has .* share one \(case and/ }
  t.match((await change('PATCH', 'jane-austen-2', { name: 'A Lady' })).json(), renaming)
  t.match((await change('PATCH', 'jane-austen', { name: 'A Lady' })).json(), { code: 'IDENTIFIER_TAKEN' })
  t.equal((await change('PATCH', 'jane-austen', { name: 'jane AUSTEN' })).statusCode, 200, 'not another name')
  t.equal(
    (await change('PATCH', 'jane-austen', { note: 'x', identifiers: { viaf: '31415' } })).statusCode,
    200
  )
  t.equal((await change('PATCH', 'jane-austen-2', { name: 'A Lady', identifiers: null })).statusCode, 200)
  t.match((await change('PATCH', 'jane-austen-2', { identifiers: { wikidata: 'Q36322' } })).json(), renaming)
  t.equal((await create(server, headers, { name: 'Cassandra Austen' })).statusCode, 201)
  const put = { name: 'Cassandra Austen', identifiers: { viaf: '31415' } }
  t.match((await change('PUT', 'cassandra-austen', put)).json(), renaming)

  await server.inject({ method: 'DELETE', url: '/authors/jane-austen-3', headers })
  const restore = { method: 'POST', url: '/authors/jane-austen-3/restore', headers } as const
  await change('PATCH', 'jane-austen', { identifiers: null })
  await change('PUT', 'cassandra-austen', put)
  t.match((await server.inject(restore)).json(), {
    code: 'IDENTIFIER_TAKEN',
    detail: /\/authors\/cassandra-austen has the same viaf/
  })
  await change('PATCH', 'cassandra-austen', { identifiers: null })
  await change('PATCH', 'jane-austen', { identifiers })
  t.equal((await server.inject(restore)).statusCode, 201, 'beside another book of the same person')
})

test('book and country may be unknown, and sameness compares what is there', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const url = '/authors/homer'
  const bare = await create(server, headers, { name: 'Homer' })
  t.match(bare.json(), { slug: 'homer', book: null, country: null, sort_name: null, booker_prize: false })
  for (const same of [
    { name: 'HOMER', book: null },
    { name: 'hómer', country: 'Greece' }
  ]) {
    t.match((await create(server, headers, same)).json(), {
      code: 'AUTHOR_EXISTS',
      detail: /name and book exists already: \/authors\/homer /
    })
  }
  t.equal((await create(server, headers, { name: 'Homer', book: 'Iliad', country: null })).statusCode, 201)
  const send = (method: 'PUT' | 'PATCH', payload: object) =>
    server.inject({
      method,
      url,
      headers: { ...headers, 'content-type': typeOf(method) },
      payload: JSON.stringify(payload)
    })
  t.match((await send('PATCH', { book: 'iliad' })).json(), { code: 'AUTHOR_EXISTS', detail: /homer-2 / })
  t.match((await send('PATCH', { book: 'Odyssey', country: 'Ionia' })).json(), {
    book: 'Odyssey',
    country: 'Ionia'
  })
  t.match((await send('PATCH', { note: 'blind?' })).json(), {
    book: 'Odyssey',
    country: 'Ionia',
    note: 'blind?'
  })
  const count = async (query: string) =>
    (await server.inject({ url: `/authors?${query}&count=true`, headers })).json().total
  t.equal(await count('country=ionia'), 1)
  t.equal(await count('q=ionia+odyssey'), 1)
  t.match((await send('PATCH', { country: null })).json(), { book: 'Odyssey', country: null })
  t.equal(await count('country=ionia'), 0)
  t.equal(await count('q=ionia'), 0)
  t.equal(await count('q=null'), 0, 'what is unknown is no word')
  t.equal(await count('country=null'), 0)
  t.match((await send('PUT', { name: 'Homer' })).json(), { book: null, country: null, note: null })
  t.equal(await count('q=odyssey'), 0)
  t.equal(await count('q=homer'), 2)
  for (const field of ['book', 'country', 'sort_name'])
    t.equal((await send('PATCH', { [field]: '' })).statusCode, 400, `an empty ${field} is not an unknown one`)
  const { data } = (await server.inject({ url: `${url}/history`, headers })).json()
  t.same(
    data.map(({ record }: { record: { book: string | null } }) => record.book),
    [null, 'Odyssey', 'Odyssey', 'Odyssey', null]
  )
  t.equal((await server.inject({ url: `${url}?version=2`, headers })).json().country, 'Ionia')
  await server.inject({ method: 'DELETE', url, headers })
  const restored = await server.inject({ method: 'POST', url: `${url}/restore`, headers })
  t.match(restored.json(), { name: 'Homer', book: null, country: null })
})

test('a name to sort by is where the author stands among names, and its words are found', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  for (const [name, sort_name] of [
    ['Virginia Woolf', 'Woolf, Virginia'],
    ['Émile Zola', 'Zola, Émile'],
    ['Yiyun Li', null],
    ['Margaret Atwood', 'Átwood, Margaret'],
    ['Brontë', undefined]
  ]) {
    t.equal((await create(server, headers, { name, sort_name, book: 'One' })).statusCode, 201, String(name))
  }
  const names = async (query: string) => {
    const all: string[] = []
    for (let next: string | null = `/authors?${query}&limit=2`; next !== null; ) {
      const page: { data: { name: string }[]; next: string | null } = (
        await server.inject({ url: next, headers })
      ).json()
      all.push(...page.data.map(({ name }) => name))
      next = page.next
    }
    return all
  }
  const order = ['Margaret Atwood', 'Brontë', 'Virginia Woolf', 'Yiyun Li', 'Émile Zola']
  t.same(await names('sort=name'), order)
  t.same(await names('sort=-name'), order.toReversed())
  t.same(await names('sort=name&q=one&booker_prize=false'), order)
  t.same(await names('q=woolf,+virg'), ['Virginia Woolf'])
  const patch = (payload: object) =>
    server.inject({
      method: 'PATCH',
      url: '/authors/yiyun-li',
      headers: { ...headers, 'content-type': 'application/merge-patch+json' },
      payload: JSON.stringify(payload)
    })
  t.match((await patch({ sort_name: '李翊雲' })).json(), { sort_name: '李翊雲', name: 'Yiyun Li' })
  t.same(await names('q=李'), ['Yiyun Li'])
  t.same((await names('sort=name')).at(-1), 'Yiyun Li', 'a cached page is dropped')
  t.match((await patch({ sort_name: null })).json(), { sort_name: null })
  t.same(await names('q=李'), [])
  t.same(await names('sort=name'), order)
  t.equal((await patch({ sort_name: 'x'.repeat(201) })).statusCode, 400)
  const long = { name: 'Long', sort_name: `${'ß'.repeat(199)}x`, book: 'One' }
  t.match((await create(server, headers, long)).json(), { sort_name: long.sort_name })
})

test('GET /authors pages through all authors once, also while new ones come', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  for (let i = 0; i < 45; i++) await create(server, headers, { ...AUTHOR, book: `Book ${i}` })
  const seen: string[] = []
  let next: string | null = '/authors'
  while (next !== null) {
    const page: { data: { book: string }[]; next: string | null } = (
      await server.inject({ url: next, headers })
    ).json()
    seen.push(...page.data.map(({ book }) => book))
    next = page.next
    await create(server, headers, { ...AUTHOR, book: `New ${seen.length}` })
  }
  t.strictSame(
    seen,
    Array.from({ length: 45 }, (_, i) => `Book ${44 - i}`)
  )
})

test('PUT replaces the whole author, and its slug stays', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const before = (await create(server, headers, { ...AUTHOR, note: 'x', identifiers: { viaf: '1' } })).json()
  const payload = { name: 'Ahmed Salman Rushdie', book: 'Shame', country: 'Pakistan' }
  const answer = await server.inject({ method: 'PUT', url: `/authors/${before.slug}`, headers, payload })
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), {
    ...payload,
    id: before.id,
    slug: before.slug,
    booker_prize: false,
    note: null,
    identifiers: { viaf: null },
    version: 2,
    created_at: before.created_at
  })
  t.equal(answer.headers.etag, etagOf(answer.json()))
  t.strictSame((await server.inject({ url: `/authors/${before.id}`, headers })).json(), answer.json())
})

test('PUT can create nothing and double nothing', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const put = (url: string, payload: object) => server.inject({ method: 'PUT', url, headers, payload })
  t.match((await put('/authors/nobody', AUTHOR)).json(), { code: 'AUTHOR_NOT_FOUND', status: 404 })
  await create(server, headers)
  await create(server, headers, { ...AUTHOR, book: 'Shame' })
  t.match((await put('/authors/salman-rushdie-2', AUTHOR)).json(), { code: 'AUTHOR_EXISTS' })
  t.match((await put('/authors/salman-rushdie-2', { ...AUTHOR, book: 5 })).json(), {
    code: 'VALIDATION_FAILED'
  })
})

test('If-Match lets a change through for the current version only', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { id } = (await create(server, headers)).json()
  const tag = (version: number) => etagOf({ id, version })
  const send = (method: 'PUT' | 'DELETE', ifMatch: string) =>
    server.inject({
      method,
      url: '/authors/salman-rushdie',
      headers: { ...headers, 'if-match': ifMatch },
      ...(method === 'PUT' && { payload: AUTHOR })
    })
  t.equal((await send('PUT', tag(1))).statusCode, 200)
  const stale = await send('PUT', tag(1))
  t.match(stale.json(), { code: 'STALE_VERSION', status: 412 })
  t.equal(stale.headers.etag, tag(2))
  t.equal((await send('PUT', `${tag(1)}, ${tag(2)}`)).statusCode, 200)
  t.equal((await send('PUT', '*')).statusCode, 200)
  t.equal((await send('PUT', `W/${tag(3)}`)).statusCode, 412, 'a weak tag of another version')
  t.equal((await send('PUT', '"4"')).statusCode, 412)
  t.equal((await send('DELETE', tag(3))).statusCode, 412)
  t.equal((await send('DELETE', tag(4))).statusCode, 204)

  await create(server, headers, { ...AUTHOR, book: 'Shame' })
  t.equal((await send('DELETE', tag(1))).statusCode, 412, 'the slug has passed to another author')
})

test('a tag that a compressing proxy has changed still names its version', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { id } = (await create(server, headers)).json()
  const url = '/authors/salman-rushdie'
  const current = () => server.inject({ url, headers }).then(({ json }) => json().version)
  const forms = [
    ...[
      'W/"~"',
      '"~-gzip"',
      'W/"~-br"',
      '"~--gzip"',
      '"~;zstd"',
      '"~:br"',
      ' W/"~"',
      '"x", W/"~"',
      '"x",W/"~"'
    ],
    ...['"~", "x"', 'W/"x" , "~-deflate"']
  ]
  for (const form of forms) {
    const tagged = (version: number) => form.replace('~', etagOf({ id, version }).slice(1, -1))
    const change = (version: number) =>
      server.inject({
        method: 'PUT',
        url,
        headers: { ...headers, 'if-match': tagged(version) },
        payload: AUTHOR
      })
    const read = (version: number) =>
      server.inject({ url, headers: { ...headers, 'if-none-match': tagged(version) } })
    const version = await current()
    t.equal((await read(version)).statusCode, 304, form)
    t.equal((await change(version)).statusCode, 200, form)
    t.equal((await change(version)).statusCode, 412, `${form} of an old version`)
    t.equal((await read(version)).statusCode, 200, `${form} of an old version`)
  }
  const version = await current()
  for (const form of ['"~-gzips"', '"~-"', '"~x"', '"x~"', 'w/"~"', '"~-gzip-gzip"', 'W/"W/~"']) {
    const ifMatch = form.replace('~', etagOf({ id, version }).slice(1, -1))
    const method = 'DELETE'
    const answer = await server.inject({ method, url, headers: { ...headers, 'if-match': ifMatch } })
    t.equal(answer.statusCode, form.startsWith('w') ? 400 : 412, form)
  }
})

test('an If-Match that is no tag is told, for it would never match', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { id } = (await create(server, headers)).json()
  const bare = etagOf({ id, version: 1 }).slice(1, -1)
  for (const [method, ifMatch] of [
    ['PUT', bare],
    ['PATCH', `W/${bare}`],
    ['DELETE', `'${bare}'`],
    ['DELETE', `"${bare}`],
    ['PUT', `"${bare}", ${bare}`],
    ['PUT', '']
  ] as const) {
    const answer = await server.inject({
      method,
      url: '/authors/salman-rushdie',
      headers: { ...headers, 'if-match': ifMatch },
      ...(method !== 'DELETE' && { payload: AUTHOR })
    })
    t.match(
      answer.json(),
      {
        status: 400,
        errors: [{ pointer: '/if-match', detail: 'is no ETag; send one as it came, with its double quotes' }]
      },
      ifMatch
    )
  }
})

test('DELETE takes the author away, and its slug is free again', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await create(server, headers)
  const remove = () => server.inject({ method: 'DELETE', url: '/authors/salman-rushdie', headers })
  t.match(await remove(), { statusCode: 204, body: '' })
  t.match((await remove()).json(), { code: 'AUTHOR_NOT_FOUND' })
  t.equal((await server.inject({ url: '/authors/salman-rushdie', headers })).statusCode, 404)
  t.equal((await create(server, headers)).json().slug, 'salman-rushdie')
})

test('everyone reads an author, only its owner changes it', async (t) => {
  const server = await buildApp(t)
  const owner = await signIn(server, 'salman')
  const stranger = await signIn(server, 'stranger')
  const author = (await create(server, owner.headers)).json()
  const url = '/authors/salman-rushdie'
  t.equal((await server.inject({ url, headers: stranger.headers })).statusCode, 200)
  for (const method of ['PUT', 'DELETE'] as const) {
    const payload = method === 'PUT' ? { payload: { ...AUTHOR, book: 'Mine now' } } : {}
    const answer = await server.inject({ method, url, headers: stranger.headers, ...payload })
    t.match(answer.json(), { code: 'NOT_OWNER', status: 403 })
  }
  t.strictSame((await server.inject({ url, headers: owner.headers })).json(), author)

  const me = {
    method: 'DELETE',
    url: '/me',
    headers: owner.headers,
    payload: { password: PASSWORD }
  } as const
  t.equal((await server.inject(me)).statusCode, 204)
  const orphan = await server.inject({ url, headers: stranger.headers })
  t.equal(orphan.json().owner_id, null, 'the authors of a deleted user stay')
})

test('identifiers are taken as people have them, and kept, compared and found in one form', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const kept = { viaf: '95216565', isni: '000000012146438X', wikidata: 'Q937', openlibrary: 'OL20187A' }
  const forms = {
    viaf: [
      '95216565',
      ' 95 216 565\u00a0',
      'http://www.viaf.org/viaf/95216565/',
      'viaf.org/viaf/95216565#x',
      'VIAF: 95216565',
      'urn:viaf:95216565',
      '(VIAF)95216565',
      '95216565.0',
      'https://viaf.org/en/viaf/95216565',
      '９５２１６５６５'
    ],
    isni: [
      '0000 0001 2146 438x',
      '0000-0001-2146-438X',
      '0000‑0001–2146−438X',
      'ISNI 0000 0001 2146 438X',
      'https://isni.org/isni/000000012146438X',
      'www.isni.org/page/000000012146438x/',
      'http://isni.org/isni/0000%200001%202146%20438X',
      'urn:isni:000000012146438X'
    ],
    wikidata: [
      'q937',
      ' Q937\u200e',
      'https://www.wikidata.org/wiki/Q937',
      'http://www.wikidata.org/entity/Q937',
      'https://m.wikidata.org/wiki/q937?uselang=de#sitelinks',
      'wd:Q937',
      'Wikidata: Q937',
      'https://www.wikidata.org/wiki/Special:EntityData/Q937.json'
    ],
    openlibrary: [
      'ol20187a',
      '/authors/OL20187A',
      'https://openlibrary.org/authors/OL20187A/Albert_Einstein',
      'openlibrary.org/authors/OL20187A.json',
      'OLID: OL20187A',
      '<https://openlibrary.org/authors/OL20187A>'
    ]
  }
  for (const [scheme, texts] of Object.entries(forms)) {
    const wanted = kept[scheme as keyof typeof kept]
    for (const [index, text] of texts.entries()) {
      const book = `${scheme} ${index}`
      const created = await create(server, headers, { ...AUTHOR, book, identifiers: { [scheme]: text } })
      t.equal(created.statusCode, 201, text)
      t.equal(created.json().identifiers[scheme], wanted, text)
      const url = created.headers.location as string
      const found = await server.inject({
        url: `/authors?identifier.${scheme}=${encodeURIComponent(text)}`,
        headers
      })
      t.strictSame(found.json().data, [created.json()])
      const put = { ...AUTHOR, book, identifiers: { [scheme]: wanted } }
      const same = await server.inject({
        method: 'PUT',
        url,
        headers,
        payload: { ...put, identifiers: { [scheme]: text } }
      })
      t.equal(same.json().identifiers[scheme], wanted)
      const merge = { ...headers, 'content-type': 'application/merge-patch+json' }
      const patched = await server.inject({
        method: 'PATCH',
        url,
        headers: merge,
        payload: { identifiers: { [scheme]: text } }
      })
      t.equal(patched.json().identifiers[scheme], wanted)
      const row = JSON.stringify({ ...AUTHOR, book, identifiers: { [scheme]: text } })
      const imported = await server.inject({
        method: 'POST',
        url: '/authors/import',
        headers: { ...headers, 'content-type': 'application/x-ndjson' },
        payload: row
      })
      t.match(imported.json(), { created: 0, unchanged: 1 }, 'the same again')
      t.equal((await server.inject({ method: 'DELETE', url, headers })).statusCode, 204)
    }
  }
})

test('an identifier that is none is told why', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const rounded = /number that a spreadsheet has rounded: format its column as text/
  const cases: [scheme: string, text: string, detail: RegExp][] = [
    ['viaf', 'n/a', /^is "n\/a", which is no VIAF identifier; expected: VIAF/],
    ['viaf', '', /^is empty; leave it out, or send null/],
    ['viaf', ' \u200b', /^is empty/],
    ['viaf', '1.12E+21', rounded],
    ['viaf', '2,7e20', rounded],
    ['viaf', '272000000000000000000.0', rounded],
    ['viaf', '0123', /no VIAF/],
    ['viaf', 'https://example.org/viaf', /no VIAF/],
    ['viaf', '1'.repeat(201), /^has 201 characters; at most 200/],
    ['isni', '2.14643E+09', rounded],
    [
      'isni',
      '0000 0001 2146 4385',
      /the wrong check digit at its end: after 000000012146438 comes X, unless another/
    ],
    [
      'isni',
      '2146438123456780',
      /the wrong check digit .* a spreadsheet may have rounded it: format its column as text/
    ],
    ['isni', '12146438X', /lacks the zeros at its beginning, .*: it is 000000012146438X/],
    ['isni', '00000001214643', /has 14 characters; an ISNI has 16/],
    ['isni', 'unknown', /"unknown", which is no ISNI/],
    ['wikidata', '937', /lacks the Q: Q937/],
    ['wikidata', 'P21', /no Wikidata/],
    ['openlibrary', '/works/OL45804W', /is that of a book; an author’s ends in A/],
    ['openlibrary', 'OLA', /no Open Library identifier/]
  ]
  for (const [scheme, text, detail] of cases) {
    const answer = await create(server, headers, { ...AUTHOR, identifiers: { [scheme]: text } })
    t.match(answer.json(), { status: 400, errors: [{ pointer: `/identifiers/${scheme}`, detail }] }, text)
    const found = await server.inject({
      url: `/authors?identifier.${scheme}=${encodeURIComponent(text)}`,
      headers
    })
    t.match(found.json(), { status: 400, errors: [{ pointer: `/identifier.${scheme}`, detail }] }, text)
  }
})
