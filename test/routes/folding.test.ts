/** Authors of many scripts, written in one way and asked for in another. */
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { test } from '../engines.ts'
import { buildApp, signIn } from '../helpers.ts'

interface Case {
  name: string
  /** The same on a plain keyboard, or as another would write it. */
  typed: string
  country: string
  typedCountry: string
  q: string[]
  slug: string
}

const CASES: Case[] = [
  {
    name: 'Żaneta Półtorak-Łęcka',
    typed: 'zaneta poltorak–lecka',
    country: 'Księstwo Łowickie',
    typedCountry: 'KSIESTWO LOWICKIE',
    q: ['poltorak', 'Łęck', 'lecka zan'],
    slug: 'zaneta-poltorak-lecka'
  },
  {
    name: 'Aksel Bjørnø Kjær',
    typed: 'Aksel Bjorno Kjaer',
    country: 'Færøerne',
    typedCountry: 'faeroerne',
    q: ['bjorno', 'KJÆ', 'faer'],
    slug: 'aksel-bjorno-kjaer'
  },
  {
    name: 'Þuríður Æsa Baldvinsdóttir',
    typed: 'Thuridur Aesa Baldvinsdottir',
    country: 'Ísland',
    typedCountry: 'island',
    q: ['thuri', 'þur', 'aesa'],
    slug: 'thuridur-aesa-baldvinsdottir'
  },
  {
    name: 'Işık Ilgaz',
    typed: 'isik ilgaz',
    country: 'TÜRKİYE',
    typedCountry: 'turkiye',
    q: ['ISIK', 'ışık', 'turki'],
    slug: 'isik-ilgaz'
  },
  {
    name: 'Đỗ Thị Phượng',
    typed: 'do thi phuong',
    country: 'Việt Nam',
    typedCountry: 'Viet Nam',
    q: ['phuong do', 'Đô'],
    slug: 'do-thi-phuong'
  },
  {
    name: 'Ċensu Ħaż-Żabbar',
    typed: 'Censu Haz-Zabbar',
    country: 'Għawdex',
    typedCountry: 'ghawdex',
    q: ['haz', 'għaw'],
    slug: 'censu-haz-zabbar'
  },
  {
    name: 'Ɗanladi Ƙofar Ƴau',
    typed: 'Danladi Kofar Yau',
    country: 'Naijeriya',
    typedCountry: 'naijeriya',
    q: ['danl', 'kofa', 'ƴa'],
    slug: 'danladi-kofar-yau'
  },
  {
    name: 'Igorʹ Podʺëmnyĭ',
    typed: "Igor' Podemnyi",
    country: 'Rossiia',
    typedCountry: 'Rossiı͡a',
    q: ['igor', 'podemnyi', "igor'"],
    slug: 'igor-podemnyi'
  },
  {
    name: 'Nāʼila ʻAbd al‑Wahhāb',
    typed: 'Na’ila ‘Abd al-Wahhab',
    country: "Côte d'Azur",
    typedCountry: 'cote d’azur',
    q: ['naila', 'abd', 'ila', 'dazur', 'azur', 'd’azur'],
    slug: 'naila-abd-al-wahhab'
  },
  {
    name: 'نَائِلَة المُـؤَيَّد',
    typed: 'نايلة المويد',
    country: 'الأُرْدُنّ',
    typedCountry: 'الاردن',
    q: ['نايلة', 'المؤيد'],
    slug: 'نايلة-المويد'
  },
  {
    name: 'ש״י בֶּן־עָמִי',
    typed: 'ש"י בן-עמי',
    country: 'יִשְׂרָאֵל',
    typedCountry: 'ישראל',
    q: ['שי', 'ש"י', 'עמי'],
    slug: 'שי-בן-עמי'
  },
  {
    name: 'Ὀρέστης Ἀνυφαντάκης',
    typed: 'ορεστης ανυφαντακησ',
    country: 'Ἑλλάς',
    typedCountry: 'ΕΛΛΑΣ',
    q: ['ορεστ', 'Ἀνυφ'],
    slug: 'ορεστης-ανυφαντακης'
  },
  {
    name: 'Алёна Кузьми́нична Майская',
    typed: 'Алена Кузьминична Майская',
    country: 'Россия',
    typedCountry: 'Росси́я',
    q: ['алена', 'АЛЁНА', 'майск'],
    slug: 'алена-кузьминична-майская'
  },
  {
    name: 'मीरा चौधरी',
    typed: 'मी\u200dरा चौधरी',
    country: 'भारत',
    typedCountry: 'भारत',
    q: ['मीरा'],
    slug: 'मीरा-चौधरी'
  },
  {
    name: 'น้ำฝน ดีงาม',
    typed: 'น้ำฝน\u200b ดีงาม',
    country: 'ประเทศไทย',
    typedCountry: 'ประเทศไทย',
    q: ['น้ำ'],
    slug: 'น้ําฝน-ดีงาม'
  },
  {
    name: '한나래',
    typed: '한나래'.normalize('NFD'),
    country: '대한민국',
    typedCountry: '대한민국'.normalize('NFD'),
    q: ['한나', '한'.normalize('NFD')],
    slug: '한나래'
  },
  {
    name: 'ガブリエル゠ミナ',
    typed: 'ｶﾞﾌﾞﾘｴﾙ-ﾐﾅ',
    country: '日本',
    typedCountry: '日本',
    q: ['ガブ', 'ｶﾞﾌﾞﾘ', 'ミナ'],
    slug: 'ガブリエル-ミナ'
  }
]

/** No two of them are the same, and none is found by the other. */
const APART = [
  ['मीना', 'मिना'],
  ['น้ำ', 'นำ'],
  ['ガラス', 'カラス'],
  ['Чай', 'Чаи'],
  ['Їжак', 'Іжак'],
  ['한', '하'],
  ['ڕ', 'ر']
] as const

async function openLibrary(t: Test) {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  return {
    server,
    headers,
    create: (payload: object) => server.inject({ method: 'POST', url: '/authors', headers, payload }),
    find: (parameters: Record<string, string>) => find(server, headers, parameters)
  }
}

async function find(
  server: FastifyInstance,
  headers: { authorization: string },
  parameters: Record<string, string>
) {
  const answer = await server.inject({ url: `/authors?${new URLSearchParams(parameters)}`, headers })
  return (answer.json().data as { name: string }[]).map(({ name }) => name)
}

test('an author is found, told apart and addressed as a plain keyboard types it', async (t) => {
  const { create, find, server, headers } = await openLibrary(t)
  for (const { name, typed, country, typedCountry, q, slug } of CASES) {
    const created = await create({ name, book: '1', country })
    t.equal(created.statusCode, 201, name)
    t.match(created.json(), { name, country, slug }, 'what is stored is as it was sent')
    for (const words of [...q, name, typed]) t.same(await find({ q: words }), [name], words)
    t.same(await find({ country: typedCountry }), [name], typedCountry)
    const again = await create({ name: typed, book: '1', country: typedCountry })
    t.match(
      again.json(),
      { code: 'AUTHOR_EXISTS', detail: new RegExp(RegExp.escape(encodeURIComponent(slug))) },
      typed
    )
    t.equal((await server.inject({ url: `/authors/${encodeURIComponent(slug)}`, headers })).json().name, name)
  }
})

test('a deleted author comes back only while nobody is the same', async (t) => {
  const { create, server, headers } = await openLibrary(t)
  for (const { name, typed, slug } of CASES) {
    await create({ name, book: 'L’une' })
    const url = `/authors/${encodeURIComponent(slug)}`
    await server.inject({ method: 'DELETE', url, headers })
    t.equal((await create({ name: typed, book: "l'une" })).statusCode, 201, typed)
    const restored = await server.inject({ method: 'POST', url: `${url}/restore`, headers })
    t.equal(restored.statusCode, 409, name)
  }
})

test('an import knows who is there, however the file writes them', async (t) => {
  const { create, server, headers } = await openLibrary(t)
  for (const { name, country } of CASES) await create({ name, book: '2', country })
  const post = async (rows: object[]) => {
    const payload = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    const type = { 'content-type': 'application/x-ndjson' }
    return server.inject({
      method: 'POST',
      url: '/authors/import',
      headers: { ...headers, ...type },
      payload
    })
  }
  const same = await post(CASES.map(({ typed, country }) => ({ name: typed, book: '2', country })))
  t.equal(
    same.json().errors.length,
    CASES.filter(({ name, typed }) => name !== typed).length,
    'they are written differently there'
  )
  const doubled = await post(
    CASES.flatMap(({ name, typed, country }) =>
      [name, typed].map((one) => ({ name: one, book: '3', country }))
    )
  )
  t.equal(doubled.json().errors.length, CASES.length, 'the second of each is the same as the first')
  const others = await post(CASES.map(({ typed, country }) => ({ name: typed, book: '4', country })))
  t.match(others.json(), { created: CASES.length })
})

test('names are sorted by their folded letters', async (t) => {
  const { create, find } = await openLibrary(t)
  const sorted = ['‘Abbās', 'Ægir', 'Łoza', 'Lubić', 'Øyvind', 'Pål', 'Þóra', 'Žižka', 'Ёлкин', 'Жук']
  for (const name of sorted.toReversed()) await create({ name, book: 'B' })
  t.same(await find({ sort: 'name' }), sorted)
  t.same(await find({ sort: '-name' }), sorted.toReversed())
})

test('marks that make another letter keep authors apart', async (t) => {
  const { create, find } = await openLibrary(t)
  for (const [one, other] of APART) {
    for (const name of [one, other]) t.equal((await create({ name, book: 'B' })).statusCode, 201, name)
    t.notOk((await find({ q: one })).includes(other), other)
  }
})

test('each spelling of an apostrophe or a dash is the same author', async (t) => {
  const { create, find } = await openLibrary(t)
  t.equal((await create({ name: "Nell O'Hara-Quinn", book: 'It’s “So”' })).statusCode, 201)
  for (const apostrophe of [...'’‘ʼʹ`´′＇ʻꞌ']) {
    for (const dash of [...'‐‑–—−－']) {
      const name = `Nell O${apostrophe}Hara${dash}Quinn`
      const answer = await create({ name, book: `It${apostrophe}s "So"` })
      if (answer.statusCode !== 409) t.fail(name)
    }
    for (const q of [`o${apostrophe}hara`, 'ohara', 'hara', 'its']) t.same((await find({ q })).length, 1, q)
  }
  t.same(await find({ q: 'nellohara' }), [])
})
