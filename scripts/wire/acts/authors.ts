/** Single authors: created, read, changed, deleted and restored. */
import { type Act, logIn, NOBODY, patch, type Stage } from '../stage.ts'

const RUSHDIE = {
  name: 'Salman Rushdie',
  book: "Midnight's Children",
  country: 'India',
  booker_prize: true,
  birth_year: 1947,
  death_year: null,
  identifiers: { viaf: '108299403', isni: '000000012146438X', wikidata: 'Q44306', openlibrary: 'OL20187A' },
  note: 'Best of the Booker, 2008'
}
const ADDRESS = '/authors/salman-rushdie'

/** A name, a book and a country each, with what is special about them. */
const ODD: [name: string, book: string, country: string][] = [
  ['村上春樹', '海辺のカフカ', '日本'],
  ['نجيب محفوظ', 'أولاد حارتنا', 'مصر'],
  ['עמוס עוז', 'סיפור על אהבה וחושך', 'ישראל'],
  ['Фёдор Достоевский', 'Идиот', 'Россия'],
  ['한강', '채식주의자', '대한민국'],
  ['Ὅμηρος', 'Ὀδύσσεια', 'Ἑλλάς'],
  ['प्रेमचंद', 'गोदान', 'भारत'],
  ['ศรีบูรพา', 'ข้างหลังภาพ', 'ไทย'],
  ['Gabriel García Márquez', 'Cien años de soledad', 'Colombia'],
  ['Gabriel Garci\u0301a Ma\u0301rquez', 'El otoño del patriarca', 'COLOMBIA'],
  ['Flann O’Brien', 'At Swim-Two-Birds', 'Éire'],
  ['  Spaces \t and\nlines  ', ' A  book ', ' No  where '],
  ['"Quoted" <b>&amp;\\ /', "'; drop table authors; --", 'U.S.A.'],
  ['👩🏽‍🚀 Emoji 📚', '🏝️x', '🇨🇮'],
  ['\uFEFFBOM', '\u202Eright to left\u202C', 'Côte d’Ivoire'],
  ['a\uE000b private', '\u{F0000}x', 'a\uE001b'],
  ['ﷺ'.repeat(200), 'ﷺ'.repeat(300), 'ﷺ'.repeat(100)],
  ['𠮷'.repeat(200), '𐐀'.repeat(300), '𝔉'.repeat(100)],
  ['!?', '¿', '.'],
  ['export', 'Reserved', 'Nowhere'],
  ['019ab3f6-1d2e-7c44-9b1a-5e6f7a8b9c0d', 'An id', 'Nowhere'],
  ['Straße', 'STRASSE', 'ß'],
  ['İstanbul', 'ıI', 'Türkiye'],
  ['\u0001control\u001f', '\u007f\u0085x', 'x\uFFFFy'],
  ['50% off_sale', 'a_b%c', '100%'],
  ['True', 'null', '0']
]

export async function authors(stage: Stage): Promise<void> {
  for (const act of [creating, refusals, repeating, reading, changing, preconditions, owning, slugs])
    await act(stage)
}

const creating: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  await wire.send('POST /authors', { as, json: RUSHDIE })
  for (const [name, book, country] of ODD) {
    const { location } = await wire.send('POST /authors', { as, json: { name, book, country } })
    if (location !== '') await wire.send(`GET ${location}`, { as })
  }
  const bare = { name: 'Bare', country: 'Nowhere' }
  const variants = [
    { booker_prize: false, birth_year: -3000, death_year: -3000 },
    { birth_year: 2100, death_year: 2100, note: '' },
    { birth_year: 0, death_year: null, identifiers: {} },
    { death_year: 1900, identifiers: { viaf: '1', isni: null } },
    { identifiers: { viaf: '9999999999999999999999' }, note: '\n\t 漢'.repeat(1000) },
    { note: null, identifiers: { wikidata: 'Q1', openlibrary: 'OL1A' } }
  ]
  for (const [index, more] of variants.entries())
    await wire.send('POST /authors', { as, json: { ...bare, book: `Variant ${index}`, ...more } })
  for (const prefer of [
    'return=minimal',
    'return=representation',
    'respond-async, return="minimal"',
    'return=none'
  ])
    await wire.send('POST /authors', { as, json: { ...bare, book: prefer }, headers: { prefer } })
}

const refusals: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  const create = (json: unknown) => wire.send('POST /authors', { as, json })
  const good = { name: 'Refused', book: 'Never', country: 'Nowhere' }
  const texts = ['', ' ', '\u200b', '\u0301', 'a\u0000', 1, null, [], true]
  for (const name of [...texts, 'x'.repeat(201)]) await create({ ...good, name })
  for (const book of ['', 'x'.repeat(301)]) await create({ ...good, book })
  for (const country of ['', 'x'.repeat(101)]) await create({ ...good, country })
  for (const birth_year of ['1947', 1.5, -3001, 2101]) await create({ ...good, birth_year })
  await create({ ...good, birth_year: 1950, death_year: 1949 })
  for (const booker_prize of ['true', 1, null]) await create({ ...good, booker_prize })
  const identifiers = [
    { viaf: '0' },
    { viaf: 1 },
    { isni: '0000000121464381' },
    { wikidata: 'q1' },
    { openlibrary: 'OL1M' },
    { orcid: '1' },
    'viaf'
  ]
  for (const one of identifiers) await create({ ...good, identifiers: one })
  for (const note of ['x'.repeat(4001), '\u0000', 1]) await create({ ...good, note })
  for (const more of [{ id: NOBODY }, { slug: 'x' }, { version: 1 }, { owner_id: null }])
    await create({ ...good, ...more })
  await create({ ...RUSHDIE, name: 'SALMAN  RUSHDIE', book: 'Midnight’s Children' })
  await create({ ...RUSHDIE, name: 'SALMAN  RÚSHDIE', book: "MIDNIGHT'S CHILDREN" })
  for (const [scheme, identifier] of Object.entries(RUSHDIE.identifiers))
    await create({ ...good, identifiers: { [scheme]: identifier } })
  await wire.send('POST /authors', { as: cast.chen.token, json: good })
  for (const prefer of ['', 'x'.repeat(201)])
    await wire.send('POST /authors', { as, json: { ...good, book: prefer }, headers: { prefer } })
}

const repeating: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  const json = { name: 'Once', book: 'Only', country: 'Nowhere' }
  const once = (key: string, body: unknown, more = {}, token = as) =>
    wire.send('POST /authors', { as: token, json: body, headers: { 'idempotency-key': key, ...more } })
  for (const key of ['key-1', 'key-1', '"key-1"']) await once(key, json)
  await once('key-1', { ...json, book: 'Other' })
  await once('key-1', json, { prefer: 'return=minimal' })
  await once('key-1', { ...json, book: 'Dora’s' }, {}, cast.dora.token)
  for (const _ of [1, 2]) await once('key-2', { ...json, book: 'Small' }, { prefer: 'return=minimal' })
  for (const _ of [1, 2]) await once('key-3', json)
  for (const _ of [1, 2]) await once('key-4', { ...json, name: '' })
  for (const key of ['', 'a b', 'x'.repeat(256), 'é']) await once(key, { ...json, book: 'Bad key' })
  const headers = { 'idempotency-key': 'key-5' }
  for (const note of ['one', 'one', 'two'])
    await wire.send('PATCH /authors/once', { as, ...patch({ note }), headers })
  await wire.send('PATCH /authors/once-2', { as, ...patch({ note: 'one' }), headers })
  for (const note of ['put', 'put again'])
    await wire.send('PUT /authors/once', { as, json: { ...json, note }, headers })
  await wire.send('DELETE /authors/once', { as, headers })
  const restoring = { as, headers: { 'idempotency-key': 'key-6' } }
  for (const _ of [1, 2]) await wire.send('POST /authors/once/restore', restoring)
  await wire.send('DELETE /authors/once', { as })
  await wire.send('POST /authors/once/restore', restoring)
  await wire.send('POST /authors/nobody/restore', restoring)
}

const reading: Act = async ({ wire, cast }) => {
  const as = cast.chen.token
  const { etag, json } = await wire.send(`GET ${ADDRESS}`, { as })
  for (const method of ['GET', 'HEAD', 'OPTIONS']) await wire.send(`${method} ${ADDRESS}`, { as })
  const spellings = [
    json.id,
    json.id.toUpperCase(),
    'Salman-Rushdie',
    'salman%2Drushdie',
    'salman-rushdie/',
    'salman rushdie'
  ]
  for (const spelling of spellings) await wire.send(`GET /authors/${spelling.replace(' ', '%20')}`, { as })
  const validators = [etag, `W/${etag}`, `"x", ${etag}`, '*', '"x"', etag.replaceAll('"', ''), '']
  for (const validator of validators) {
    for (const method of ['GET', 'HEAD'])
      await wire.send(`${method} ${ADDRESS}`, { as, headers: { 'if-none-match': validator } })
  }
  for (const version of ['1', '2', '0', '-1', 'x', '1.0', '9007199254740991', '9007199254740992'])
    await wire.send(`GET ${ADDRESS}?version=${version}`, { as })
  for (const name of [NOBODY, 'nobody', '%E6%9D%91', 'x'.repeat(501), 'export/', 'import'])
    await wire.send(`GET /authors/${name}`, { as })
  await wire.send(`GET ${ADDRESS}`, { as, headers: { accept: 'text/html' } })
}

const changing: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  const change = (content: unknown, headers = {}) =>
    wire.send(`PATCH ${ADDRESS}`, { as, ...patch(content), headers })
  const put = (json: unknown, headers = {}) => wire.send(`PUT ${ADDRESS}`, { as, json, headers })
  for (const content of [
    {},
    { note: 'patched' },
    { note: 'patched' },
    { note: null },
    { booker_prize: null }
  ])
    await change(content)
  for (const content of [{ name: 'Ahmed Salman Rushdie' }, { book: 'Shame' }, { country: 'UK' }])
    await change(content)
  for (const identifiers of [{ viaf: null }, { viaf: '108299403' }, {}, null, { wikidata: 'Q44306' }])
    await change({ identifiers })
  for (const content of [
    { birth_year: null, death_year: 1900 },
    { birth_year: 1947 },
    { death_year: null, birth_year: 1947 }
  ])
    await change(content)
  const wrong = [
    { name: null },
    { name: '' },
    { note: 1 },
    { version: 2 },
    { birth_year: 'x' },
    { identifiers: { viaf: '1' } }
  ]
  for (const content of wrong) await change(content)
  await change({ name: '村上春樹', book: '海辺のカフカ' })
  for (const headers of [{ prefer: 'return=minimal' }, { prefer: 'return=representation' }])
    await change({ note: headers.prefer }, headers)
  await put(RUSHDIE)
  await put(RUSHDIE)
  await put({ name: 'Salman Rushdie', book: 'Fury', country: 'India' }, { prefer: 'return=minimal' })
  await put({ name: 'Salman Rushdie', book: 'Fury' })
  await put({ name: '村上春樹', book: '海辺のカフカ', country: 'x' })
  await put({ ...RUSHDIE, identifiers: { viaf: '1' } })
  await put(RUSHDIE)
  for (const name of ['nobody', NOBODY]) {
    await wire.send(`PUT /authors/${name}`, { as, json: RUSHDIE })
    await wire.send(`PATCH /authors/${name}`, { as, ...patch({}) })
    await wire.send(`DELETE /authors/${name}`, { as })
  }
  await wire.send(`PATCH ${ADDRESS}`, { as, json: { note: 'not a merge patch' } })
}

const preconditions: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  const current = async () => (await wire.send(`GET ${ADDRESS}`, { as })).etag
  const stale = await current()
  await wire.send(`PATCH ${ADDRESS}`, { as, ...patch({ note: 'first' }), headers: { 'if-match': stale } })
  for (const ifMatch of [
    stale,
    `W/${await current()}`,
    '"x"',
    'x',
    '',
    '"000000000000.1"',
    'x'.repeat(201)
  ]) {
    const headers = { 'if-match': ifMatch }
    await wire.send(`PATCH ${ADDRESS}`, { as, ...patch({ note: 'never' }), headers })
    await wire.send(`PUT ${ADDRESS}`, { as, json: RUSHDIE, headers })
    await wire.send(`DELETE ${ADDRESS}`, { as, headers })
  }
  for (const ifMatch of ['*', `"x", ${await current()}`])
    await wire.send(`PATCH ${ADDRESS}`, {
      as,
      ...patch({ note: ifMatch.slice(0, 3) }),
      headers: { 'if-match': ifMatch }
    })
  await wire.send(`DELETE ${ADDRESS}`, { as, headers: { 'if-match': await current() } })
  await wire.send(`PUT ${ADDRESS}`, { as, json: RUSHDIE, headers: { 'if-match': '*' } })
  await wire.send(`POST ${ADDRESS}/restore`, { as, headers: { 'if-match': stale } })
}

/** Who may change what. */
const owning: Act = async ({ wire, cast }) => {
  const { anna, chen, dora } = cast
  for (const { token: as } of [chen, dora, anna]) {
    await wire.send(`PUT ${ADDRESS}`, { as, json: { ...RUSHDIE, note: 'by another' } })
    await wire.send(`PATCH ${ADDRESS}`, { as, ...patch({ note: 'by another again' }) })
    await wire.send(`DELETE ${ADDRESS}`, { as })
    await wire.send(`POST ${ADDRESS}/restore`, { as })
  }
  await wire.send(`GET ${ADDRESS}/history?limit=3`, { as: chen.token })
}

/** Slugs pass on, and what is restored does not take them back. */
const slugs: Act = async ({ wire, cast }) => {
  const as = await logIn(wire, cast.dora.username)
  const create = async (book: string, more = {}) =>
    (
      await wire.send('POST /authors', {
        as,
        json: { name: 'Jane Namesake', book, country: 'Nowhere', ...more }
      })
    ).json
  const created = []
  for (const book of ['1', '2', '3', '4', '5'])
    created.push(await create(book, { identifiers: { viaf: `77${book}` } }))
  await wire.send('DELETE /authors/jane-namesake', { as })
  await wire.send('DELETE /authors/jane-namesake-3', { as })
  await wire.send('GET /authors/jane-namesake', { as })
  await wire.send('GET /authors/jane-namesake/history', { as })
  await create('1', { identifiers: { viaf: '771' } })
  await create('6')
  await create('7')
  for (const path of ['', '?version=1', '/history']) {
    await wire.send(`GET /authors/jane-namesake${path}`, { as })
    await wire.send(`GET /authors/${created[0].id}${path}`, { as })
  }
  const restore = (idOrSlug: string) => wire.send(`POST /authors/${idOrSlug}/restore`, { as })
  await restore(created[0].id)
  await wire.send('DELETE /authors/jane-namesake', { as })
  await restore(created[0].id)
  await wire.send('GET /authors/jane-namesake', { as })
  await restore('jane-namesake-3')
  await wire.send('PATCH /authors/jane-namesake-2', { as, ...patch({ identifiers: { viaf: '775' } }) })
  await wire.send('DELETE /authors/jane-namesake-5', { as })
  await wire.send('PATCH /authors/jane-namesake-2', { as, ...patch({ identifiers: { viaf: '775' } }) })
  await restore('jane-namesake-5')
  await wire.send('PATCH /authors/jane-namesake-2', { as, ...patch({ identifiers: null, name: 'Renamed' }) })
  await restore('jane-namesake-5')
  await wire.send('GET /authors/renamed', { as })
  const { id } = await create('8')
  await wire.send(`DELETE /authors/${id}`, { as })
  await create('8')
  await restore(id)
  for (const name of [
    'jane-namesake',
    'jane-namesake-2',
    'jane-namesake-3',
    'jane-namesake-4',
    'jane-namesake-5',
    'jane-namesake-6',
    'jane-namesake-7'
  ])
    await wire.send(`GET /authors/${name}/history`, { as })
}
