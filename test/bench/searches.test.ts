import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { COUNTRY, emptyTally, searchCatalogue, WORD } from '../../bench/search-catalogue.ts'
import { searchBench } from '../../bench/searches.ts'
import { indexedWordsOf } from '../../db/text.ts'
import { temporaryFolder } from '../helpers.ts'

const AUTHORS = 1000

t.test('the catalogue has what it promises', async (t) => {
  const tally = emptyTally()
  const lines = [...searchCatalogue(3000, tally)].join('').split('\n').slice(0, -1)
  const authors = lines.map((line) => JSON.parse(line) as { name: string; book: string; country: string })
  const has = (author: (typeof authors)[number], ...beginnings: string[]) => {
    const words = indexedWordsOf(author.name, author.book, author.country)
    return beginnings.every((beginning) => words.some((word) => word.startsWith(beginning)))
  }
  const count = (...beginnings: string[]) => authors.filter((author) => has(author, ...beginnings)).length
  t.equal(count(WORD.all), 3000)
  t.equal(count(WORD.tenth), tally.tenth)
  t.equal(count(WORD.rare), tally.rare)
  t.equal(tally.rare, 500)
  t.equal(count(...WORD.halves), 0)
  for (const half of WORD.halves) t.ok(Math.abs(count(half) - 1500) < 150)
  t.ok(Math.abs(tally.tenth - 300) < 60)
  const ofCountry = authors.filter(({ country }) => country === COUNTRY)
  t.ok(Math.abs(ofCountry.length - 375) < 75)
  t.equal(ofCountry.filter((author) => has(author, WORD.tenth)).length, tally.tenthOfCountry)
})

t.test('searches are measured in every order, and a wrong count is seen', async (t) => {
  const databaseFile = path.join(temporaryFolder(t), 'library.db')
  const lines: string[] = []
  const options = {
    authors: AUTHORS,
    requests: 2,
    seconds: 1,
    databaseFile,
    log: (line: string) => lines.push(line)
  }
  t.strictSame(await searchBench(options), [])
  t.match(lines[0], /^import: [\d,]+ rows\/s, without the upload [\d,]+$/)
  t.match(lines[1], /^\d+ bytes of the database file an author$/)
  t.equal(
    lines.filter((line) => /^\| .* \| -?(name|created_at|updated_at|birth_year) \| 2 \|/.test(line)).length,
    11 * 8
  )
  t.ok(
    lines.some((line) => / \d+\.\d \|$/.test(line) && !line.endsWith(' 0.0 |')),
    'the other reader was there'
  )

  const tallyFile = `${databaseFile}.tally.json`
  const tally = JSON.parse(readFileSync(tallyFile, 'utf8'))
  writeFileSync(tallyFile, JSON.stringify({ ...tally, tenth: tally.tenth + 1 }))
  const faults = await searchBench({ ...options, requests: 1 })
  t.match(faults, [/^q=tenth&count=true&limit=1 counts \d+, not \d+$/])
  t.equal(lines.filter((line) => line.startsWith('import')).length, 1, 'what is there is not imported again')
})
