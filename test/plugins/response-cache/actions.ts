/** What clients of three instances of the service do, one after the other or at once. */
import fc from 'fast-check'

const SORTS = [
  'name',
  '-name',
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
  'birth_year',
  '-birth_year'
]

/** The queries of pages; `NEWCOMER` stands for the id of a user who may have been deleted since. */
export const QUERIES = [
  '',
  ...SORTS.flatMap((sort) => [`?sort=${sort}&limit=3`, `?sort=${sort}&limit=2&owner=me`]),
  '?count=true&limit=1',
  '?owner=me',
  '?owner=me&count=true&limit=2',
  '?owner=NEWCOMER&count=true',
  '?q=ZO&count=true',
  '?q=india+so&limit=2',
  '?country=INDIA&count=true&sort=name&limit=2',
  '?booker_prize=true&limit=2',
  '?booker_prize=false&count=true&sort=-updated_at',
  '?birth_year.gte=1900&birth_year.lte=1950&sort=birth_year',
  'NEXT'
]

interface Anyone {
  /** Which of the instances is asked. */
  on: 0 | 1 | 2
  /** Who asks, by which of the sessions there have been. */
  session: number
  /** How many rounds of the event loop the request is on its way. */
  latency: number
  /** Whether all that is under way is waited for first. */
  waits: boolean
}

export interface ReadAuthor {
  do: 'readAuthor'
  author: number
  by: 'id' | 'ID' | 'slug' | 'SLUG' | 'version'
  version: number
  method: 'GET' | 'HEAD'
  hasIt: boolean
}

export interface ReadPage {
  do: 'readPage'
  query: string
  method: 'GET' | 'HEAD'
}

export interface WriteAuthor {
  do: 'create' | 'replace' | 'patch' | 'delete' | 'restore'
  author: number
  content: {
    name: string
    sort_name: string | null
    book: string | null
    country: string | null
    booker_prize: boolean
    birth_year: number | null
  }
}

export interface ChangeUser {
  do: 'logIn' | 'logOut' | 'endSession' | 'newcomer' | 'deleteUser' | 'disable' | 'changeRole'
}

export type Action = Anyone & (ReadAuthor | ReadPage | WriteAuthor | ChangeUser)

const waits = fc.nat(5).map((n) => n === 0)
const anyone = {
  on: fc.constantFrom(0 as const, 1 as const, 2 as const),
  session: fc.nat(30),
  latency: fc.nat(3),
  waits
}
const author = fc.nat(7)
const method = fc.constantFrom('GET' as const, 'GET' as const, 'HEAD' as const)
const content = fc.record({
  name: fc.constantFrom('Ann One', 'Ann One', 'Ann One', 'Zoë Sól'),
  sort_name: fc.constantFrom(null, null, 'Öne, Ann', 'Sól, Zoë', 'Zz'),
  book: fc.nat(50).map((n) => (n < 5 ? null : `Book ${n}`)),
  country: fc.constantFrom('India', 'South India', 'Österreich', null),
  booker_prize: fc.boolean(),
  birth_year: fc.constantFrom(null, 1899, 1930, 1950)
})
const readAuthor = fc.record({
  ...anyone,
  do: fc.constant('readAuthor' as const),
  author,
  by: fc.constantFrom(
    'id' as const,
    'ID' as const,
    'slug' as const,
    'slug' as const,
    'SLUG' as const,
    'version' as const
  ),
  version: fc.integer({ min: 1, max: 4 }),
  method,
  hasIt: fc.boolean()
})
const readPage = fc.record({
  ...anyone,
  do: fc.constant('readPage' as const),
  query: fc.constantFrom(...QUERIES),
  method
})
const writeAuthor = fc.record({
  ...anyone,
  do: fc.constantFrom(
    ...(['create', 'create', 'replace', 'patch', 'delete', 'delete', 'restore', 'restore'] as const)
  ),
  author,
  content
})
const changeUser = fc.record({
  ...anyone,
  do: fc.constantFrom(
    ...(['logIn', 'logIn', 'logIn', 'newcomer', 'newcomer'] as const),
    ...(['logOut', 'endSession', 'deleteUser', 'disable', 'changeRole'] as const)
  )
})

export const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: readAuthor },
    { weight: 6, arbitrary: readPage },
    { weight: 5, arbitrary: writeAuthor },
    { weight: 2, arbitrary: changeUser }
  ),
  { minLength: 100, maxLength: 250, size: 'max' }
)
