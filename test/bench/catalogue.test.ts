import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import { differenceOfBytes, differenceOfRecords, roundTrip, roundTripOfCsv } from '../../bench/catalogue.ts'
import {
  type Content,
  csvOf,
  inventAuthors,
  ndjsonOf,
  RARE_AUTHORS,
  WORDS
} from '../../bench/generate-authors.ts'
import { indexedWordsOf } from '../../db/text.ts'
import { temporaryFolder } from '../helpers.ts'

const AUTHORS = 3000

function optionsFor(t: Test, authors: number) {
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  return { authors, folder: temporaryFolder(t), settleSeconds: 0.1, log, lines }
}

function bytes(...texts: Iterable<string>[]): AsyncIterable<Buffer> {
  return Readable.from(
    texts.flatMap((text) => [...text].map((part) => Buffer.from(part))),
    { objectMode: false }
  )
}

t.test('3,000 authors come out as they went in, also by way of CSV', async (t) => {
  const options = optionsFor(t, AUTHORS)
  t.same((await roundTrip(options)).faults, [])
  t.same(await roundTripOfCsv(options), [])
  const output = options.lines.join('\n')
  t.comment(output)
  t.match(output, `import: {"created":${AUTHORS - 1},"unchanged":1,"refused":0,`)
  for (const phase of ['upload', 'write', 'export as NDJSON', 'export as CSV', 'write of CSV']) {
    t.match(output, `| ${phase} |`)
  }
})

t.test('it sees what was altered in the database, in both formats', async (t) => {
  const sabotage = (databaseFile: string) => {
    const database = new Sqlite(databaseFile)
    database.exec(
      "update authors set record = json_set(record, '$.country', country || '.') where number = 42"
    )
    database.close()
  }
  const { faults } = await roundTrip({ ...optionsFor(t, 100), sabotage })
  t.match(faults, [/^NDJSON differs: byte \d+, in line 42$/, /^CSV differs: country of record 42$/])
})

t.test('the first byte that differs is found, wherever the streams are cut', async (t) => {
  const lines = ['first\n', 'second\n', 'third\n']
  const cut = ['fi', 'rst\nsec', 'ond\nthird', '\n']
  t.equal(await differenceOfBytes(bytes(lines), bytes(cut)), undefined)
  t.equal(await differenceOfBytes(bytes(lines), bytes(['fi', 'rst\nsec', 'xnd\n'])), 'byte 9, in line 2')
  t.match(await differenceOfBytes(bytes(lines), bytes(cut, ['x'])), /^more comes out/)
  t.match(await differenceOfBytes(bytes(lines), bytes(cut.slice(0, 2))), /^less comes out/)
  t.match(await differenceOfBytes(bytes(lines), bytes([])), /^less comes out/)
})

t.test('records are compared field by field', async (t) => {
  const ndjson = () => bytes(ndjsonOf(20))
  const csv = (await buffer(bytes(csvOf(20)))).toString()
  t.equal(await differenceOfRecords(ndjson(), bytes([csv])), undefined)
  t.equal(
    await differenceOfRecords(ndjson(), bytes([csv.replace(',false,', ',true,')])),
    'booker_prize of record 1'
  )
  t.equal(
    await differenceOfRecords(ndjson(), bytes([csv, csv.slice(csv.indexOf('\n') + 1)])),
    'record 21 is one too many'
  )
  t.equal(await differenceOfRecords(bytes(ndjsonOf(20), ['{}\n']), bytes([csv])), 'only 20 records')
})

t.test('the invented authors have what they promise', async (t) => {
  const authors = [...inventAuthors(AUTHORS)]
  const share = (has: (author: Content) => boolean) => authors.filter(has).length / AUTHORS
  const found = (beginning: string) =>
    share(({ name, book, country }) =>
      indexedWordsOf(name, book, country).some((word) => word.startsWith(beginning))
    )
  t.equal(found(WORDS.rare) * AUTHORS, RARE_AUTHORS)
  t.equal(found(WORDS.absent), 0)
  for (const word of WORDS.common) t.ok(found(word) > 0.2)
  t.ok(Math.abs(found(WORDS.mid) - 0.005) < 0.003)
  t.equal(
    share(({ booker_prize }) => booker_prize),
    0.001
  )
  t.ok(share(({ note }) => note === '') > 0)
  t.ok(share(({ birth_year }) => (birth_year ?? 0) < 0) > 0)
  t.same([...inventAuthors(AUTHORS)], authors, 'they are always the same')
  t.equal(new Set(authors.map(({ name, book }) => `${name}\n${book}`)).size, AUTHORS)
})
