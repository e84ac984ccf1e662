/** Many authors at once, in and out. */
import { mulberry32 } from '../../../bench/random.ts'
import { inventAuthor } from '../../search/authors.ts'
import { inventVocabulary } from '../../search/words.ts'
import { type Act, CSV, NDJSON, type Stage } from '../stage.ts'

const SEED = 20_261_127
const EVENTS = 'text/event-stream'
const HEADER = 'name,book,country,booker_prize,birth_year,death_year,viaf,isni,wikidata,openlibrary,note\r\n'

const line = (book: unknown, more = {}) =>
  `${JSON.stringify({ name: 'Imported', book, country: 'Nowhere', ...more })}\n`

export async function files(stage: Stage): Promise<void> {
  for (const act of [importing, importingCsv, importRefusals, roundTrip]) await act(stage)
}

/** A catalogue with words of every script; some of its rows are refused as duplicates. */
export function catalogue(count: number): string {
  const random = mulberry32(SEED)
  const vocabulary = inventVocabulary(random)
  const authors = Array.from({ length: count }, () => inventAuthor(random, vocabulary))
  return authors.map((author) => `${JSON.stringify(author)}\n`).join('')
}

const importing: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  const post = (text: string, query = '', headers = {}) =>
    wire.send(`POST /authors/import${query}`, { as, body: [NDJSON, text], headers })
  await post(catalogue(200), '?dry_run=true')
  await post(catalogue(200), '?mode=partial')
  await post(catalogue(210), '?mode=partial', { accept: EVENTS })
  for (const _ of [1, 2]) await post(line('A') + line('B', { note: 'x' }))
  await post(line('A') + line('C') + line('D', { birth_year: 'x' }))
  for (const query of ['?dry_run=true', '?mode=partial', '?mode=partial&dry_run=true', ''])
    await post(
      line('E') + line('a', { note: 'differs' }) + line('') + line('E') + line('e', { note: 'differs' }),
      query
    )
  await post(line('F', { identifiers: { viaf: '1' } }) + line('G', { identifiers: { viaf: '424242' } }))
  await post(
    line('G', { identifiers: { viaf: '424242' } }) + line('H', { identifiers: { viaf: '424242' } }),
    '?mode=partial'
  )
  await post(Array.from({ length: 300 }, (_, index) => line(index)).join(''))
  await post(Array.from({ length: 120 }, () => line('')).join(''), '?mode=partial')
  for (const text of [
    '',
    '\n',
    '\n\n',
    '{',
    '[]\n',
    'null\n',
    `${line('I')}{"name"`,
    `\uFEFF${line('J')}`,
    line('K').trim()
  ])
    await post(text)
  for (const accept of [EVENTS, 'application/json', 'image/png']) await post(line('L'), '', { accept })
  await post(line(1), '', { accept: EVENTS })
}

const importingCsv: Act = async ({ wire, cast }) => {
  const as = cast.dora.token
  const post = (text: string | Buffer, query = '', type = CSV) =>
    wire.send(`POST /authors/import${query}`, { as, body: [type, text] })
  await post(
    `${HEADER}CSV,One,Nowhere,true,1900,1999,,,,,"a note, ""quoted""\r\nand long"\r\nCSV,Two,"",,,,,,,,""\r\n`
  )
  await post(
    `${HEADER}CSV,One,Nowhere,true,1900,1999,,,,,"a note, ""quoted""\r\nand long"\r\nCSV,Two,X,,,,,,,,""\r\n`
  )
  await post('country,name,book\nNowhere,CSV,Three\n')
  await post(`\uFEFFname,book,country\r\n'=CSV,'+Four,'@Nowhere\r\n''CSV,'Five,'Nowhere`)
  for (const text of [
    '',
    'name,book\r\nCSV,Six\r\n',
    'name,book,country,x\r\n',
    'name,name,book,country\r\n',
    'name,book,country\r\na,b\r\n',
    'name,book,country\r\n"a,b,c\r\n'
  ])
    await post(text)
  await post(`${HEADER}CSV,Seven,Nowhere,yes,MCM,1,0,x,,,\r\n`, '?mode=partial')
  await post(Buffer.from([...Buffer.from('name,book,country\r\n'), 0xff, 0x2c, 0x62, 0x2c, 0x63]))
  await post('name,book,country\r\nCSV,Eight,Nowhere\r\n', '', 'text/csv; charset=utf-8; header=present')
  await post('name,book,country\r\nCSV,Nine,Nowhere\r\n', '', 'text/csv; charset=latin1')
}

const importRefusals: Act = async ({ wire, cast }) => {
  const { boris, chen } = cast
  await wire.send('POST /authors/import', { as: chen.token, body: [NDJSON, line('M')] })
  for (const query of ['?mode=some', '?dry_run=1', '?unknown=1'])
    await wire.send(`POST /authors/import${query}`, { as: boris.token, body: [NDJSON, line('M')] })
  for (const type of ['application/json', 'text/plain', ''])
    await wire.send('POST /authors/import', { as: boris.token, body: [type, line('M')] })
  await wire.send('POST /authors/import', { as: boris.token })
  await wire.send('GET /authors/import', { as: boris.token })
}

/** What comes out goes in without any effect. */
const roundTrip: Act = async ({ wire, cast }) => {
  const as = cast.anna.token
  for (const accept of [CSV, NDJSON]) {
    const { text } = await wire.send('GET /authors/export', { as, headers: { accept } })
    await wire.send('POST /authors/import', { as, body: [accept, text] })
    await wire.send('HEAD /authors/export', { as, headers: { accept } })
  }
  for (const accept of ['*/*', 'text/*', 'image/png', 'application/x-ndjson;q=0.5, text/csv;q=0.1'])
    await wire.send('GET /authors/export', { as, headers: { accept } })
  await wire.send('GET /authors/export?x=1', { as })
}
