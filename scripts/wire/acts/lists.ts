/** The list of authors: every order, every filter, page after page. */
import { SORTS } from '../../search/question.ts'
import { type Act, cursorOf, followAll, NOBODY, type Stage } from '../stage.ts'

const QUESTIONS = [
  'q=the',
  'q=TH%C3%89&count=true',
  'q=the+of',
  'q=of+the+dawn&count=true',
  'q=dawn+dusk',
  'q=x',
  'q=%E6%B5%B7%E8%BE%BA',
  'q=%D0%94%D0%9E%D0%A1%D0%A2',
  'q=%CC%81',
  'q=o%27br',
  'q=NEAR%28a+b%29',
  'q=the*',
  'q=%EE%80%80booker',
  'q=foo%2a+%22bar',
  'country=Chile',
  'country=chil%C3%89&count=true',
  'country=CHILE%00',
  'country=guinea-bissau',
  'country=guinea+bissau',
  'country=C%C3%B4te+d%E2%80%99Ivoire',
  'country=u.s.a.',
  'country=a%EE%80%81b',
  'country=+%09nowhere+',
  'country=Atlantis&count=true',
  'booker_prize=true',
  'booker_prize=false&count=true',
  'birth_year.gte=1900',
  'birth_year.lte=0&count=true',
  'birth_year.gte=1750&birth_year.lte=1850',
  'birth_year.gte=1850&birth_year.lte=1750',
  'owner=me&count=true',
  `owner=${NOBODY}`,
  'identifier.viaf=108299403',
  'identifier.isni=000000012146438X&q=salman',
  'identifier.wikidata=Q44306&country=chile',
  'identifier.openlibrary=OL20187A',
  'q=the&country=chile',
  'q=the&country=chile&booker_prize=false&birth_year.gte=1700&owner=me&count=true',
  'q=dawn&birth_year.lte=1900&count=true',
  'q=imported&owner=me'
]

const REFUSED = [
  'q=',
  'q=%21%3F',
  'q=a+b+c+d+e+f+g+h+i+j+k',
  'q=a+b+c+d+e+f+g+h+i+j',
  'q=a&q=b',
  `q=${'x'.repeat(200)}`,
  `q=${'x'.repeat(201)}`,
  'country=',
  `country=${'x'.repeat(101)}`,
  'sort=surname',
  'sort=name&sort=book',
  'sort=',
  'booker_prize=yes',
  'booker_prize=',
  'count=1',
  'birth_year.gte=MCM',
  'birth_year.gte=-3001',
  'birth_year.lte=2101',
  'birth_year.lte=1e3',
  'birth_year=1947',
  'owner=salman',
  'owner=',
  'identifier.orcid=1',
  'identifier.viaf=0',
  'identifier.isni=0000000121475021',
  'limit=0',
  'limit=101',
  'limit=x',
  'limit=1.5',
  'limit=',
  'limit=1&limit=2',
  'offset=1',
  'cursor='
]

export async function lists(stage: Stage): Promise<void> {
  for (const act of [wholeLists, questions, refusedQuestions, cursors]) await act(stage)
}

const wholeLists: Act = async ({ wire, cast }) => {
  const as = cast.chen.token
  for (const line of [
    'GET /authors',
    'GET /authors',
    'HEAD /authors',
    'OPTIONS /authors',
    'GET /authors?count=true',
    'GET /authors/'
  ])
    await wire.send(line, { as })
  for (const sort of SORTS) await followAll(wire, `GET /authors?sort=${sort}&limit=50`, { as })
  await followAll(wire, 'GET /authors?limit=100&count=true', { as })
}

const questions: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  for (const [index, question] of QUESTIONS.entries()) {
    for (const sort of SORTS) await followAll(wire, `GET /authors?${question}&sort=${sort}&limit=100`, { as })
    const sort = SORTS[index % SORTS.length]
    const first = await wire.send(`GET /authors?limit=2&${question}&sort=${sort}`, { as })
    const again = first.json?.next ? await wire.send(`GET ${first.json.next}`, { as }) : first
    if (again.json?.next) await wire.send(`GET ${again.json.next}`, { as })
    await wire.send(`HEAD /authors?limit=2&${question}&sort=${sort}`, { as })
  }
  // What `me` is depends on who asks.
  for (const { token } of Object.values(cast)) await wire.send('GET /authors?owner=me&limit=2', { as: token })
  await wire.send(`GET /authors?owner=${cast.boris.id}&limit=2`, { as: cast.dora.token })
}

const refusedQuestions: Act = async ({ wire, cast }) => {
  for (const question of REFUSED) await wire.send(`GET /authors?${question}`, { as: cast.chen.token })
}

/** A cursor is for its own list only. */
const cursors: Act = async ({ wire, cast }) => {
  const as = cast.chen.token
  const cursor = cursorOf(await wire.send('GET /authors?q=the&sort=name&limit=3', { as }))
  const get = (query: string) => wire.send(`GET ${query}`, { as })
  await get(`/authors?limit=5&sort=name&q=the&cursor=${cursor}`)
  await get(`/authors?sort=name&q=the&cursor=${cursor}&count=true`)
  for (const query of [
    `/authors?sort=name&cursor=${cursor}`,
    `/authors?q=th&sort=name&cursor=${cursor}`,
    `/authors?q=the&sort=-name&cursor=${cursor}`,
    `/authors?q=the&sort=name&country=peru&cursor=${cursor}`,
    `/users?cursor=${cursor}`,
    `/authors?cursor=${cursor}`,
    `/authors?q=the&sort=name&cursor=${cursor}x`,
    `/authors?q=the&sort=name&cursor=${cursor.slice(0, -4)}`,
    '/authors?cursor=eyJhIjoxfQ',
    '/authors?cursor=%00',
    `/authors?cursor=${'x'.repeat(12_001)}`,
    `/authors/salman-rushdie/history?cursor=${cursor}`
  ]) {
    await get(query)
  }
  for (const sort of SORTS) {
    const other = cursorOf(await wire.send(`GET /authors?sort=${sort}&limit=1`, { as }))
    await get(`/authors?cursor=${other}`)
  }
}
