import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import t from 'tap'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { CSV_HEADER, parseCsv, toCsv } from '../../plugins/transfers/csv.ts'

type Texts = Pick<AuthorRecord, 'name' | 'book' | 'country' | 'note'>

const FORMULA_STARTS = [...'=+-@＝＋－＠﹢﹣﹦﹫⁺⁻⁼₊₋₌−']
const UNSEEN = [
  ...' \u00a0\u2003\u3000\u200b\u200d\u2060\ufeff\u202e\u2067\u00ad\u034f\u3164\u0001\u2028\u2800'
]
const DIVIDERS = [...';\t\r\n']

const toAuthor = (texts: Texts) => ({
  ...texts,
  booker_prize: false,
  birth_year: -43,
  death_year: null,
  identifiers: { viaf: null, isni: null, wikidata: null, openlibrary: null }
})

const toRecord = (texts: Texts) => toCsv(toAuthor(texts) as unknown as AuthorRecord)

async function importedFrom(csv: string): Promise<unknown[]> {
  const rows = []
  for await (const row of parseCsv(Readable.from([Buffer.from(CSV_HEADER + csv)]))) rows.push(row)
  return rows.map((row) => ('author' in row ? row.author : row.errors))
}

/** What a spreadsheet may see as the beginning of a cell, without what it may leave out there. */
const isFormula = (cell: string) => {
  const seen = cell.replace(/^["\s\p{C}\p{DI}\u2800]+/u, '')
  return FORMULA_STARTS.includes([...seen][0] as string)
}

/** Pieces that the rules are about, so that chance makes many of their combinations. */
const piece = fc.constantFrom(...FORMULA_STARTS, ...UNSEEN, ...DIVIDERS, "'", "''", '"', ',', '|', 'a', '1')
const oddText = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''))
const anyText = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0'))
const text = fc.oneof(oddText, anyText)
const texts = fc.record(
  { name: text, book: text, country: text, note: fc.oneof(text, fc.constant('')) },
  { noNullPrototype: true }
)

t.test('every text comes back from CSV as it was', async () => {
  const property = fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 20 }), async (sent) => {
    const received = (await importedFrom(sent.map(toRecord).join(''))) as Texts[]
    assert.deepEqual(
      received.map(({ name, book, country, note }) => ({ name, book, country, note })),
      sent
    )
  })
  await fc.assert(property, { numRuns: 150 })
})

t.test('no cell is a formula, whether commas, semicolons or tabs divide', async () => {
  const property = fc.property(texts, (author) => {
    const csv = toRecord(author)
    for (const cell of parse(csv, { record_delimiter: '\r\n' })[0] as string[]) {
      if (cell !== '-43' && (isFormula(cell) || /^[\t\r\n]/.test(cell))) return false
    }
    // A spreadsheet that divides elsewhere sees no quotes but those at the beginning of a line.
    return !csv.split(/[;\t\r\n]/).some(isFormula)
  })
  fc.assert(property, { numRuns: 2000 })
})

t.test('a formula gets an apostrophe after whatever is not seen before it', async (t) => {
  const names = FORMULA_STARTS.flatMap((start) =>
    ['', ...UNSEEN, "'", '"', ` \u200b"' `].map((unseen) => `${unseen}${start}1`)
  )
  const csv = names.map((name) => toRecord({ name, book: 'b', country: 'c', note: null })).join('')
  const cells = (parse(csv, { record_delimiter: '\r\n' }) as string[][]).map(([name]) => name)
  t.strictSame(
    cells,
    names.map((name) => `'${name}`)
  )
})

t.test('a text with what divides elsewhere is quoted, and no other is touched', async (t) => {
  const note = (text: string) =>
    toRecord({ name: 'n', book: 'b', country: 'c', note: text }).slice('n,b,c,false,-43,,,,,,'.length, -2)
  t.equal(note('one; two'), '"one; two"')
  t.equal(note('one\ttwo'), '"one\ttwo"')
  t.equal(note('one|two'), '"one|two"')
  t.equal(note('either; =1+1'), `"either;' =1+1"`)
  t.equal(note('list:\n- first\n-second'), `"list:\n'- first\n'-second"`)
  for (const text of ["it's", "'tis", 'a = b', 'x-ray @ home', '(+49) 30', '’twas', 'n. 1'])
    t.equal(note(text), text)
})

t.test('adversarial texts cost what their length costs', async (t) => {
  const adversarial = ["'", ' ', '\u200b', '"', ';', "\n'", ";'", "'\n ", '; ', `'"`].map((unit) =>
    unit.repeat(100_000)
  )
  const start = performance.now()
  for (const note of adversarial) toRecord({ name: 'n', book: 'b', country: 'c', note })
  await importedFrom(
    adversarial.map((note) => toRecord({ name: 'n', book: 'b', country: 'c', note })).join('')
  )
  t.ok(performance.now() - start < 5000, 'and not its square, which would be minutes')
})
