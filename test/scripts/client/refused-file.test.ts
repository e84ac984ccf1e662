import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { openSource, readableTwice } from '../../../scripts/client/importing.ts'
import { RowFinder, readRawRows } from '../../../scripts/client/raw-rows.ts'
import { RefusedFile } from '../../../scripts/client/refused-file.ts'
import { temporaryFolder } from '../../helpers.ts'
import { file } from './fakes.ts'

const OPTIONS = { partial: true, dryRun: false }
const WRONG = { pointer: '/name', detail: 'is wrong' }

/** What is written of the rows at these lines. */
async function written(t: Test, content: string, format: 'csv' | 'ndjson', lines: number[]) {
  const source = await openSource(file(t, 'in', content), format)
  const name = path.join(temporaryFolder(t), `out.${format}`)
  const refused = await RefusedFile.open(name, source)
  await refused.begin()
  await refused.add(lines.map((line) => ({ line, ...WRONG })))
  const log = t.capture(console, 'error', () => {})
  await refused.keep(lines.length, OPTIONS)
  await refused.close()
  return { text: readFileSync(name, 'utf8'), said: String(log()[0]?.args[0]) }
}

const HEADS: [string, string, number, string][] = [
  ['commas', 'a,b\n1,2\n', 2, 'line,reason,a,b\r\n2,"/name is wrong",1,2\r\n'],
  ['semicolons', 'a;b\r\n1,5;2\r\n', 2, 'line;reason;a;b\r\n2;"/name is wrong";1,5;2\r\n'],
  ['tabs', '\n\na\tb\n1\t2\n', 4, 'line\treason\ta\tb\r\n4\t"/name is wrong"\t1\t2\r\n'],
  [
    'a named divider',
    '\uFEFFsep=|\na|b\n1|2\n',
    3,
    '\uFEFFsep=|\r\nline|reason|a|b\r\n3|"/name is wrong"|1|2\r\n'
  ],
  [
    'a tab that is named',
    'sep=\\t\na\tb\n1\t2\n',
    3,
    'sep=\\t\r\nline\treason\ta\tb\r\n3\t"/name is wrong"\t1\t2\r\n'
  ],
  [
    'a mark and a blank line',
    '\uFEFF\r\na,b\r\n1,2',
    3,
    '\uFEFFline,reason,a,b\r\n3,"/name is wrong",1,2\r\n'
  ],
  ['lines that end in CR', 'a,b\r1,2\r3,4\r', 3, 'line,reason,a,b\r\n3,"/name is wrong",3,4\r\n']
]
for (const [title, content, line, text] of HEADS) {
  t.test(`a file with ${title}`, async (t) => {
    t.equal((await written(t, content, 'csv', [line])).text, text)
  })
}

t.test('rows are as they were, whatever is in them', async (t) => {
  const rows = ['a,b', '"x\r\ny","1"', '', '"q ""q"" q",2', '=1,é', '"never closed,3', '4,5']
  const { text } = await written(t, rows.join('\r\n'), 'csv', [2, 5, 6, 7])
  t.strictSame(text.split('\r\n'), [
    'line,reason,a,b',
    '2,"/name is wrong","x',
    'y","1"',
    '5,"/name is wrong","q ""q"" q",2',
    '6,"/name is wrong",=1,é',
    '7,"/name is wrong","""never closed,3"',
    ''
  ])
})

t.test('a file whose header is refused has no rows to correct', async (t) => {
  const source = await openSource(file(t, 'in.csv', '\na,b\n1,2\n'), 'csv')
  const name = path.join(temporaryFolder(t), 'out.csv')
  const refused = await RefusedFile.open(name, source)
  await refused.begin()
  await refused.add([{ line: 2, pointer: '', detail: 'has unknown columns' }])
  await refused.keep(1, OPTIONS)
  await refused.close()
  t.notOk(existsSync(name))
})

t.test('a workbook is divided by nothing that is known', async (t) => {
  t.equal((await written(t, 'PK\x03\x04;;\nrest\n', 'csv', [2])).text.slice(0, 12), 'line,reason,')
})

t.test('what is wrong with one row stands in one cell, and is no formula', async (t) => {
  const source = await openSource(file(t, 'in.csv', 'a\n1\n2\n'), 'csv')
  const name = path.join(temporaryFolder(t), 'out.csv')
  const refused = await RefusedFile.open(name, source)
  await refused.begin()
  await refused.add([{ line: 2, pointer: '', detail: 'has "x" and; =1' }])
  await refused.add([{ line: 2, pointer: '/b', detail: 'is required' }])
  await refused.add([{ line: 3, pointer: '', detail: '=evil()' }])
  t.capture(console, 'error', () => {})
  await refused.keep(9, OPTIONS)
  await refused.close()
  t.equal(
    readFileSync(name, 'utf8'),
    'line,reason,a\r\n2,"has ""x"" and;\' =1; /b is required",1\r\n3,"\'=evil()",2\r\n'
  )
})

t.test('objects get two members, and other lines become one', async (t) => {
  const rows = ['{"name":"a", "n":1.50}', '{ }', 'no JSON', '[1]', '{"line":7,"reason":"old","x":1}']
  const { text, said } = await written(t, rows.join('\n'), 'ndjson', [1, 2, 3, 4, 5])
  t.strictSame(text.split('\n'), [
    '{"line":1,"reason":"/name is wrong","name":"a", "n":1.50}',
    '{"line":2,"reason":"/name is wrong"}',
    '{"line":3,"reason":"/name is wrong","row":"no JSON"}',
    '{"line":4,"reason":"/name is wrong","row":"[1]"}',
    '{"line":5,"reason":"/name is wrong","x":1}',
    ''
  ])
  t.match(said, /^5 refused rows written to .+\. Correct them there, take "line" and "reason" out/)
})

t.test('it begins again when the file is sent again, and says when not all was told', async (t) => {
  const rows = Array.from({ length: 1200 }, (_, n) => `row ${n}\n`).join('')
  const source = await openSource(file(t, 'in.csv', `a\n${rows}`), 'csv')
  const name = path.join(temporaryFolder(t), 'out.txt')
  const refused = await RefusedFile.open(name, source)
  const all = Array.from({ length: 1200 }, (_, n) => ({ line: n + 2, ...WRONG }))
  const log = t.capture(console, 'error', () => {})
  for (const _ of [1, 2]) {
    await refused.begin()
    await refused.add(all)
  }
  await refused.keep(1500, { ...OPTIONS, map: 'x y=name' })
  await refused.close()
  const lines = readFileSync(name, 'utf8').split('\r\n')
  t.match([lines.length, lines[1], lines[1200]], [1202, '2,"/name is wrong",row 0', /^1201,.*row 1199$/])
  t.equal(
    log()[0]?.args[0],
    `1,200 refused rows written to ${name} (the service did not tell the other 300). Correct them there, and import them with: npx library authors import ${name} --map 'x y=name,line=,reason='`
  )
})

t.test('a row is found by any of its lines, however the bytes come', async (t) => {
  const content = 'h\r\n"a\r\nb\nc",1\r\r"d",2\n\ne'
  for (const size of [1, 2, 3, 100]) {
    const chunks = Array.from({ length: Math.ceil(content.length / size) }, (_, n) =>
      Buffer.from(content.slice(n * size, (n + 1) * size))
    )
    const finder = new RowFinder(readRawRows(Readable.from(chunks), 'csv'))
    const found: unknown[] = []
    for (const line of [1, 2, 3, 4, 5, 6, 8, 99]) {
      const row = await finder.at(line)
      found.push([row?.line, row?.bytes.toString()])
    }
    const long = '"a\r\nb\nc",1'
    t.strictSame(found, [
      [1, 'h'],
      [2, long],
      [2, long],
      [2, long],
      [5, ''],
      [6, '"d",2'],
      [8, 'e'],
      [8, 'e']
    ])
  }
  const endless = readRawRows(
    Readable.from([Buffer.from('a\n"'), Buffer.alloc(5_000_000, 'x'), Buffer.from('"\nb')]),
    'csv'
  )
  const rows: number[] = []
  for await (const { bytes } of endless) rows.push(bytes.length)
  t.strictSame(rows, [1, 5_000_001], 'what is not closed is not read to its end')
})

t.test('where it cannot be written', async (t) => {
  const source = await openSource(file(t, 'in.csv', 'a\n1\n'), 'csv')
  const folder = temporaryFolder(t)
  await t.rejects(RefusedFile.open(path.join(folder, 'none', 'a.csv'), source), {
    message: /none\/a\.csv cannot be written: it or its folder is not there/
  })
  await t.rejects(RefusedFile.open(folder, source), {
    message: `${folder} is there already: name another file`
  })
})

t.test('stdin that cannot be read leaves nothing', async (t) => {
  const source = {
    ...({ name: 'stdin', format: 'csv', size: undefined } as const),
    open: () =>
      new Readable({
        read() {
          this.destroy(Object.assign(new Error(), { code: 'EIO' }))
        }
      })
  }
  await t.rejects(readableTwice(source), { message: 'stdin cannot be read: the system says EIO.' })
})
