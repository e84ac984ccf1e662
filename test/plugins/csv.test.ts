import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import t from 'tap'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { Unreadable } from '../../plugins/errors/field-errors.ts'
import { CSV_HEADER, parseCsv, toCsv } from '../../plugins/transfers/csv.ts'
import { LineCounter } from '../../plugins/transfers/lines.ts'

type Texts = Pick<AuthorRecord, 'name' | 'book' | 'country' | 'note'> & { sort_name?: string | null }

const FORMULA_STARTS = [...'=+-@＝＋－＠﹢﹣﹦﹫⁺⁻⁼₊₋₌−']
const UNSEEN = [
  ...' \u00a0\u2003\u3000\u200b\u200d\u2060\ufeff\u202e\u2067\u00ad\u034f\u3164\u0001\u2028\u2800'
]
const DIVIDERS = [...';\t\r\n']

const toAuthor = (texts: Texts) => ({
  sort_name: null,
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
    toRecord({ name: 'n', book: 'b', country: 'c', note: text }).slice('n,b,c,false,-43,,,,,,,'.length, -2)
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

/** The rows of a file that comes in pieces of so many bytes. */
async function rowsOf(file: string | Buffer, bytes = 7) {
  const buffer = Buffer.from(file as string)
  const pieces = Array.from({ length: Math.ceil(buffer.length / bytes) }, (_, i) =>
    buffer.subarray(i * bytes, (i + 1) * bytes)
  )
  const rows = []
  for await (const row of parseCsv(Readable.from(pieces))) rows.push(row)
  return rows as { line: number; author: Record<string, unknown>; errors?: { detail: string }[] }[]
}

const EOLS = ['\n', '\r\n', '\r']

t.test('lines end in LF, CRLF or CR, and are counted, also in quotes and between', async (t) => {
  for (const eol of EOLS) {
    const file = [
      '',
      'note,name,book,country',
      '"one',
      'two",Nuruddin Farah,Maps,Somalia',
      '',
      ',,,',
      '"a ""b""',
      '',
      'c",Assia Djebar,La soif,Algérie',
      'x,Yvonne Vera'
    ].join(eol)
    for (const bytes of [1, 2, 3, 1000]) {
      const rows = await rowsOf(file, bytes)
      t.match(
        rows,
        [
          { line: 3, author: { name: 'Nuruddin Farah', note: `one${eol}two`, country: 'Somalia' } },
          { line: 7, author: { name: 'Assia Djebar', note: `a "b"${eol}${eol}c`, country: 'Algérie' } },
          { line: 10, errors: [{ detail: 'has 2 cells, but the header has 4' }] }
        ],
        JSON.stringify([eol, bytes])
      )
      t.equal(rows.length, 3)
    }
    const latin1 = Buffer.from(['name,book', 'a,b', 'c,d', 'José,x', ''].join(eol), 'latin1')
    await t.rejects(rowsOf(latin1, 1000), { line: 4, message: /not UTF-8/ })
    await t.rejects(rowsOf(['name,book,country', 'a,b,c', 'd,"e'].join(eol)), {
      line: 3,
      message: /not closed/
    })
  }
})

t.test('lines that come at once are counted in a time that is linear', async (t) => {
  const lines = new LineCounter(1)
  lines.counting.resume().end(Buffer.from('x\n'.repeat(200_000)))
  await finished(lines.counting)
  const { user: before } = process.cpuUsage()
  const counted = Array.from({ length: 200_001 }, (_, line) => lines.at(2 * line))
  t.ok(counted.every((line, index) => line === index + 1))
  t.ok(process.cpuUsage().user - before < 1_000_000, 'and not its square, which would be many seconds')
})

t.test('the divider is that of the header, or of a line sep=', async (t) => {
  const expected = { name: 'Assia Djebar', book: 'Les alouettes; naïves, et "autres"', country: 'Algérie' }
  const heads: [head: string, divider: string][] = [
    ['', ','],
    ['', ';'],
    ['', '\t'],
    ['', '|'],
    ['sep=;', ';'],
    ['SEP=^', '^'],
    ['"sep=:"', ':'],
    ['sep=\\t', '\t'],
    ['sep=§,,,', '§'],
    ['sep=', ';']
  ]
  for (const [head, divider] of heads) {
    for (const mark of ['', '\ufeff']) {
      for (const eol of EOLS) {
        const cells = ['Algérie', 'Assia Djebar', '"Les alouettes; naïves, et ""autres"""']
        const lines = [
          ...(head === '' ? [] : [head]),
          ['Country', '"NAME"', ' book '].join(divider),
          cells.join(divider)
        ]
        const [row, ...more] = await rowsOf(mark + lines.join(eol))
        t.match(row, { line: lines.length, author: expected }, JSON.stringify([mark, head, divider, eol]))
        t.equal(more.length, 0)
      }
    }
  }
  const odd = 'name;"a book, or two, or; three"\n'
  await t.rejects(
    rowsOf(odd),
    { message: /unknown columns \(a book, or two, or; three\)/ },
    'not one within quotes'
  )
  await t.rejects(rowsOf('sep=ab\nname\n'), {
    line: 1,
    message: /does not name one divider/
  })
  await t.rejects(rowsOf('sep=;\n'), { message: /has no header/ })
  await t.rejects(rowsOf(`"${'x'.repeat(2_500_000)}`, 262_144), { message: /longer than 1000000 characters/ })
})

t.test('columns without a name must be empty, and rows without anything are none', async (t) => {
  const file = [
    'name,,book,country,, ',
    'Mia Couto,,Terra Sonâmbula,Mozambique',
    'Mia Couto, ,O Último,Mozambique,,',
    ',,,,,',
    ' , ,"",,,',
    'Mia Couto,x,Jesusalém,Mozambique,,',
    'Mia Couto,,Venenos,Mozambique,,,,,',
    'Mia Couto,,Venenos,Mozambique,,,late',
    'Mia Couto,,Venenos,Mozambique,late'
  ].join('\n')
  const rows = await rowsOf(file)
  t.match(rows, [
    { line: 2, author: { book: 'Terra Sonâmbula' } },
    { line: 3, author: { book: 'O Último' } },
    { line: 6, errors: [{ detail: /^has "x" in cell 2, where the header has no name/ }] },
    { line: 7, author: { book: 'Venenos' } },
    { line: 8, errors: [{ detail: 'has 7 cells, but the header has 6' }] },
    { line: 9, errors: [{ detail: /^has "late" in cell 5/ }] }
  ])
  t.equal(rows.length, 6)
  t.match(await rowsOf('Birth Year,booker-prize,NAME,book,country\n1952,yes,Rohinton Mistry,Tales,Canada'), [
    { author: { birth_year: 1952, booker_prize: true, name: 'Rohinton Mistry' } }
  ])
})

t.test(
  'booleans are taken in the words of many languages, and years as spreadsheets write them',
  async (t) => {
    const read = async (column: string, cell: string) => {
      const [row] = await rowsOf(`name;book;country;${column}\na;b;c;"${cell}"`)
      return row?.author[column]
    }
    for (const cell of [
      'TRUE',
      'True',
      'WAHR',
      'ja',
      'Oui',
      'VRAI',
      'SÍ',
      'si\u0301',
      'si',
      'sì',
      'sim',
      'TAK',
      'ДА',
      'ναι',
      'EVET',
      '是',
      'y',
      '1',
      '1.0',
      ' 1,0 '
    ])
      t.equal(await read('booker_prize', cell), true, cell)
    for (const cell of [
      'FALSE',
      'FALSCH',
      'Nein',
      'NON',
      'faux',
      'No',
      'não',
      'NIE',
      'нет',
      'όχι',
      'HAYIR',
      '否',
      'N',
      '0',
      '0.0'
    ])
      t.equal(await read('booker_prize', cell), false, cell)
    t.equal(await read('booker_prize', ' '), undefined)
    const doubt = (await read('booker_prize', 'shortlist')) as Unreadable
    t.ok(doubt instanceof Unreadable)
    t.match(doubt.reason, /^is "shortlist", which is no boolean: write true or false, yes or no, or 1 or 0;/)
    for (const [cell, year] of [
      ['1873.0', 1873],
      [' 1873,00\u00a0', 1873],
      ['-42.0', -42],
      ['−42', -42],
      ['0', 0],
      ['', undefined],
      ['\t', undefined]
    ])
      t.equal(await read('birth_year', cell as string), year, cell as string)
    for (const cell of [
      'c. 1873',
      '1873?',
      '[1873]',
      '1873/74',
      '1873-1900',
      '19th century',
      '1873-02-17',
      '17.02.1873',
      'Feb 1873',
      '1873.5',
      '1.873',
      'MDCCCLXXIII',
      '1.873E+03',
      '42 v. Chr.'
    ]) {
      const unreadable = (await read('death_year', cell)) as Unreadable
      t.ok(unreadable instanceof Unreadable, cell)
      t.match(unreadable.reason, new RegExp(`^is ${JSON.stringify(cell).replace(/[.?[\]+]/g, '\\$&')}`))
      t.match(unreadable.reason, /give the year as a whole number, such as \d{4}|write -42/)
    }
  }
)

t.test('a file of another format is told as what it is', async (t) => {
  const name = 'name\r\nTayeb Salih\r\n'
  const cases: [string, Buffer, RegExp][] = [
    ['UTF-16 as Excel writes it', Buffer.from(`\ufeff${name}`, 'utf16le'), /^is UTF-16: .* "CSV UTF-8"/],
    ['big-endian', Buffer.from(`\ufeff${name}`, 'utf16le').swap16(), /^is UTF-16/],
    ['without a mark', Buffer.from(name, 'utf16le'), /^is UTF-16/],
    ['a workbook', Buffer.from('PK\x03\x04rest', 'latin1'), /^is a workbook or an archive/],
    ['an old one', Buffer.from('\xd0\xcf\x11\xe0\xa1', 'latin1'), /^is a workbook/],
    ['gzip', Buffer.from('\x1f\x8b\x08\x00', 'latin1'), /^is compressed: unpack/]
  ]
  for (const [title, file, message] of cases) await t.rejects(rowsOf(file), { line: 1, message }, title)
})

t.test('in a file all of whose cells are quoted an empty one says nothing, but for a note', async (t) => {
  t.strictSame(
    (await rowsOf('"name","book","country","viaf","birth_year","note"\n"a","","","","",""')).map(
      ({ author }) => author
    ),
    [{ name: 'a', note: '', identifiers: {} }]
  )
})
