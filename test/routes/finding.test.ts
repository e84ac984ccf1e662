import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import { importRows } from '../../db/authors/importing.ts'
import { prepareRow } from '../../db/authors/prepared-row.ts'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import { unsoundnessOf } from '../../scripts/crash/soundness.ts'
import { test } from '../engines.ts'
import { buildApp, directly, signIn } from '../helpers.ts'

type Headers = Record<string, string>
type Page = { data: AuthorRecord[]; next: string | null; total?: number }

const MANY = 22_000
const GIVEN = ['Ana', 'Béla', 'Chloë', 'Dāvid', 'Élise', 'Fyodor', 'Gabriel', 'Håkon', 'Ines', 'José']
/** Names of so many that a word of theirs is common, and so late in their order that a walk through it takes long. */
const LATE = GIVEN.slice(6)
const FAMILY = ['García Márquez', 'O’Brien', 'Núñez', 'Smith', 'Žižek', 'Ångström', 'Brontë', 'Okri']
const NOUNS = ['House', 'River', 'Night', 'Garden', 'Ship', 'Winter', 'Island', 'Mirror', 'Theory', 'Then']
const COUNTRIES = ['Colombia', 'Ireland', 'Perú', 'Latvia', 'Nigeria']

/** Numbers that look random and are the same each time. */
function random(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function generate(count: number): AuthorContent[] {
  const next = random(7)
  const one = (words: string[]) => words[next(words.length)] as string
  return Array.from({ length: count }, (_, i) => {
    const given = one(GIVEN)
    const family = one(FAMILY)
    const isLate = LATE.includes(given)
    const sort_name = i % 7 === 0 && !isLate ? `${family}, ${given}` : null
    return { name: `${given} ${family}`, sort_name, ...rest(i, isLate ? ' Lately' : '') }
  })

  function rest(i: number, word: string) {
    return {
      book: `The ${one(NOUNS)} of ${one(NOUNS)} ${i}${word}${i % 5000 === 0 ? ' Rarity' : ''}`,
      country: next(500) === 0 ? 'Vanuatu' : i % 11 === 0 ? null : one(COUNTRIES),
      booker_prize: next(1000) === 0,
      birth_year: next(4) === 0 ? null : 1800 + next(200),
      identifiers: i % 100 === 0 ? { wikidata: `Q${i + 1}` } : {}
    }
  }
}

async function fill(t: Test, server: FastifyInstance, contents: AuthorContent[], ownerId: string) {
  await directly(t, server)
    .transaction()
    .execute(async (trx) => {
      const owner = trx.selectFrom('users').select(['id', 'number', 'role']).where('id', '=', ownerId)
      const actor = await owner.executeTakeFirstOrThrow()
      for (let i = 0; i < contents.length; i += 64) {
        const rows = contents.slice(i, i + 64).map((content, index) => prepareRow(i + index + 1, content))
        await importRows(trx, rows, { stamp: uuidv7(), actor })
      }
    })
}

const get = async (server: FastifyInstance, headers: Headers, url: string) =>
  (await server.inject({ url, headers })).json() as Page

async function getAll(server: FastifyInstance, headers: Headers, url: string): Promise<AuthorRecord[]> {
  const all: AuthorRecord[] = []
  for (let next: string | null = url; next !== null; ) {
    const page: Page = await get(server, headers, next)
    all.push(...page.data)
    next = page.next
  }
  return all
}

/** How the same is found without any index, and folded in another way. */
const fold = (text: string) =>
  text
    .normalize('NFD')
    .replace(/[\p{M}’]/gu, '')
    .toLowerCase()
const wordsOf = (text: string) => fold(text).split(/[^\p{L}\p{N}]+/u)
/** What follows an apostrophe is a word too, which no query has beside the whole one. */
const wordsIn = (text: string) => [...wordsOf(text), ...wordsOf(text.replaceAll('’', ' '))]

interface Query {
  q?: string
  country?: string
  booker_prize?: boolean
  'birth_year.gte'?: number
  'birth_year.lte'?: number
  sort: string
}

/** An author with all that a plain look needs of it, which is folded once: there are as many looks as questions. */
interface Looked {
  author: AuthorRecord
  words: string[]
  country: string
  nameOrder: string
}

function look(author: AuthorRecord): Looked {
  const { name, book, country, sort_name } = author
  const words = new Set(wordsIn(`${name} ${book} ${country ?? ''} ${sort_name ?? ''}`))
  return { author, words: [...words], country: fold(country ?? '-'), nameOrder: fold(sort_name ?? name) }
}

const ORDERS: Record<string, (looked: Looked) => string | number> = {
  name: ({ nameOrder }) => nameOrder,
  created_at: ({ author }) => author.id,
  updated_at: ({ author }) => author.updated_at,
  birth_year: ({ author }) => author.birth_year ?? 9999
}

function expected(authors: Looked[], query: Query): string[] {
  const { q = '', booker_prize, 'birth_year.gte': from, 'birth_year.lte': to } = query
  const parts = wordsOf(q)
  const country = query.country === undefined ? undefined : fold(query.country)
  const found = authors.filter(
    ({ author, words, country: own }) =>
      (country === undefined || own === country) &&
      (booker_prize === undefined || author.booker_prize === booker_prize) &&
      (from === undefined || (author.birth_year !== null && author.birth_year >= from)) &&
      (to === undefined || (author.birth_year !== null && author.birth_year <= to)) &&
      parts.every((part) => words.some((word) => word.startsWith(part)))
  )
  const sign = query.sort.startsWith('-') ? -1 : 1
  const key = ORDERS[query.sort.replace('-', '')] as (looked: Looked) => string | number
  const order = (a: string | number, b: string | number) => (a < b ? -sign : a > b ? sign : 0)
  return found
    .sort((a, b) => order(key(a), key(b)) || order(a.author.id, b.author.id))
    .map(({ author }) => author.id)
}

test('whatever is asked for is found, as a plain look at all authors would find it', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  await fill(t, server, generate(MANY), id)
  const all = (await getAll(server, headers, '/authors?limit=100')).map(look)
  t.equal(all.length, MANY)

  const next = random(11)
  const maybe = <T>(...values: T[]) => (next(2) === 0 ? undefined : values[next(values.length)])
  const sorts = [
    'name',
    '-name',
    'created_at',
    '-created_at',
    'updated_at',
    '-updated_at',
    'birth_year',
    '-birth_year'
  ]
  const LATELY: Query[] = [{}, { booker_prize: false }].map((filter) => ({
    q: 'lately',
    ...filter,
    sort: 'name'
  }))
  for (let round = 0; round < 60; round++) {
    const query: Query = LATELY[round] ?? {
      q: maybe(
        'the',
        'th',
        'garcia mar',
        'o’br 12',
        'rarity',
        'zz',
        'theory',
        'NIGHT zizek',
        'bel house',
        'of the c'
      ),
      country: maybe('peru', 'PERÚ', 'Vanuatu', 'Colombia', 'Atlantis'),
      booker_prize: maybe(true, false),
      'birth_year.gte': maybe(1850, 1990),
      'birth_year.lte': maybe(1852, 1999),
      sort: sorts[round % sorts.length] as string
    }
    const parameters = new URLSearchParams(
      Object.entries(query).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, String(value)] as [string, string]]
      )
    )
    const ids = expected(all, query)
    const first = await get(server, headers, `/authors?${parameters}&limit=50&count=true`)
    t.equal(first.total, ids.length, `${parameters}: the count`)
    const second = first.next === null ? [] : (await get(server, headers, first.next)).data
    t.strictSame(
      [...first.data, ...second].map((author) => author.id),
      ids.slice(0, 100),
      `${parameters}`
    )
  }

  const inPages = await getAll(server, headers, '/authors?country=vanuatu&sort=name&limit=7')
  t.strictSame(
    inPages.map((author) => author.id),
    expected(all, { country: 'Vanuatu', sort: 'name' })
  )
  t.equal((await get(server, headers, '/authors?owner=me&limit=1&count=true')).total, MANY)
  t.equal((await get(server, headers, `/authors?owner=${crypto.randomUUID()}&count=true`)).total, 0)
  t.equal(
    (await get(server, headers, '/authors?identifier.wikidata=Q101')).data[0]?.identifiers.wikidata,
    'Q101'
  )

  const began = performance.now()
  let longest = 0
  let last = performance.now()
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 1)
  await get(server, headers, '/authors?q=the&country=Atlantis&sort=name')
  await get(server, headers, '/authors?q=the+of&booker_prize=false&birth_year.gte=1999&sort=name&count=true')
  clearInterval(beat)
  t.ok(longest < Math.max(50, (performance.now() - began) * 0.9), 'and others get their turn meanwhile')
})

test('a cursor is for its own search and order only, and nobody can make one up', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  await fill(t, server, generate(50), id)
  const cursorOf = async (url: string) =>
    new URLSearchParams((await get(server, headers, url)).next?.split('?')[1]).get('cursor') as string
  const cursor = await cursorOf('/authors?q=the&sort=name&limit=3')
  const refused = [
    `/authors?sort=name&cursor=${cursor}`,
    `/authors?q=th&sort=name&cursor=${cursor}`,
    `/authors?q=the&sort=-name&cursor=${cursor}`,
    `/authors?q=the&sort=name&country=peru&cursor=${cursor}`,
    `/users?cursor=${cursor}`,
    `/authors?cursor=${cursor}`,
    `/authors?q=the&sort=name&cursor=${cursor}x`,
    `/authors?q=the&sort=name&cursor=${cursor.slice(0, -4)}`,
    '/authors?cursor=eyJhIjoxfQ'
  ]
  for (const url of refused)
    t.match((await server.inject({ url, headers })).json(), { code: 'INVALID_CURSOR', status: 400 }, url)
  const another = await server.inject({ url: `/authors?limit=5&sort=name&q=the&cursor=${cursor}`, headers })
  t.equal(another.json().data.length, 5, 'the order of parameters and the limit may differ')
  const first = await server.inject({ url: '/authors?q=the&sort=name&limit=3', headers })
  t.equal(first.headers.link, `<${first.json().next}>; rel="next"`)
})

test('a search that cannot be is told what would', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const cases: [string, string, RegExp][] = [
    ['/authors?q=', '/q', /is empty; expected: Words/],
    ['/authors?q=%21%3F', '/q', /^has no letter or digit to look for; punctuation and marks alone/],
    [`/authors?q=${encodeURIComponent("'")}`, '/q', /no letter or digit/],
    [`/authors?q=${encodeURIComponent('\u0301 \u05b0\u00ad')}&country=Wales`, '/q', /no letter or digit/],
    [`/authors?q=${encodeURIComponent('🙂 —')}`, '/q', /no letter or digit/],
    [`/authors?q=rushdie&country=${encodeURIComponent(' \u3000')}`, '/country', /no letter or digit/],
    [`/authors?q=${'a+b+c+d+e+f+g+h+i+j+k'}`, '/q', /has 11 words; up to 10/],
    [`/authors?q=${'x'.repeat(201)}`, '/q', /200/],
    ['/authors?sort=surname', '/sort', /expected: The order: name, -name/],
    ['/authors?sort=name&sort=book', '/sort', /may be given only once; known are q/],
    ['/authors?booker_prize=yes', '/booker_prize', /boolean/],
    ['/authors?count=1', '/count', /boolean/],
    ['/authors?birth_year.gte=MCM', '/birth_year.gte', /integer/],
    ['/authors?owner=salman', '/owner', /or `me`/],
    ['/authors?identifier.orcid=1', '/identifier.orcid', /known are q, .*identifier.viaf/],
    ['/authors?identifier.isni=0000000121475021', '/identifier.isni', /check character/],
    ['/authors?birth_year=1947', '/birth_year', /known are .*birth_year.gte/]
  ]
  for (const [url, pointer, detail] of cases) {
    const answer = await server.inject({ url, headers })
    t.equal(answer.statusCode, 400, url)
    t.match(answer.json().errors, [{ pointer, detail }], url)
  }
  t.match(await get(server, headers, '/authors?count=true'), { data: [], next: null, total: 0 })
  t.notOk('total' in (await get(server, headers, '/authors')), 'the total comes only when it is asked for')
})

test('an author is found by what it is now, no more by what it was', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const url = '/authors/flann-obrien'
  const found = async (q: string) =>
    (await get(server, headers, `/authors?q=${encodeURIComponent(q)}`)).data.length
  const author = { name: 'Flann O’Brien', book: 'At Swim-Two-Birds', country: 'Éire' }
  await server.inject({ method: 'POST', url: '/authors', headers, payload: author })
  for (const q of ['flann', "o'brien", 'OBri', 'BRIEN fla', 'two swim', 'eire', 'éi'])
    t.equal(await found(q), 1, q)
  for (const q of ['lann', 'flannel', 'swims', "flann'o"]) t.equal(await found(q), 0, q)
  await server.inject({ method: 'PUT', url, headers, payload: { ...author, book: 'The Third Policeman' } })
  t.strictSame([await found('swim'), await found('policeman'), await found('flann')], [0, 1, 1])
  await server.inject({ method: 'DELETE', url, headers })
  t.equal(await found('flann'), 0)
  await server.inject({ method: 'POST', url: `${url}/restore`, headers })
  t.strictSame([await found('flann policeman'), await found('swim')], [1, 0])
  for (const q of ['flann brien obrien the third policeman', 'eire']) t.equal(await found(q), 1, q)
  t.strictSame(
    await unsoundnessOf(server.config.DATABASE_URL),
    [],
    'by all of its words, its country, and nothing else'
  )
})

test('words of every script are found', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const authors = [
    ['村上春樹', '海辺のカフカ', '日本', '海辺'],
    ['نجيب محفوظ', 'أولاد حارتنا', 'مصر', 'محفوظ'],
    ['Фёдор Достоевский', 'Идиот', 'Россия', 'ДОСТ'],
    ['한강', '채식주의자', '대한민국', '채식'],
    ['Ὅμηρος', 'Ὀδύσσεια', 'Ἑλλάς', 'ομηροσ οδυσ']
  ]
  for (const [name, book, country, q] of authors) {
    await server.inject({ method: 'POST', url: '/authors', headers, payload: { name, book, country } })
    const page = await get(server, headers, `/authors?q=${encodeURIComponent(q as string)}`)
    t.match(page.data, [{ name }], q as string)
  }
})

test('a name that Unicode makes long can still be paged after', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  for (const book of ['One', 'Two', 'Three']) {
    const payload = { name: 'ﷺ'.repeat(200), book, country: 'Nowhere' }
    await server.inject({ method: 'POST', url: '/authors', headers, payload })
  }
  t.equal((await getAll(server, headers, '/authors?sort=name&limit=1')).length, 3)
})
