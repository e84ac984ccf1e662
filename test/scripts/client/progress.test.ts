import t from 'tap'
import { drawStep, ProgressBar } from '../../../scripts/client/progress.ts'

const STEP = { label: 'Importing', unit: 'rows', done: 523_000, total: 1_000_000 } as const

t.test('a step in numbers', async (t) => {
  const unknown = { label: 'Uploading', unit: 'bytes', done: 12_300_000, total: undefined } as const
  t.equal(drawStep(unknown, 8_100_000, 79), 'Uploading  12.3 MB  8.1 MB/s')
  t.equal(drawStep(unknown, Number.NaN, 79), 'Uploading  12.3 MB')
  t.equal(drawStep(unknown, Number.POSITIVE_INFINITY, 79), 'Uploading  12.3 MB')
  t.match(drawStep(STEP, 100, 100), '1 h 19 min left')
  t.match(drawStep(STEP, 1000, 100), '7 min 57 s left')
  const more = { ...STEP, done: 1_200_000 }
  t.match(drawStep(more, 1000, 100), '100%  1,200,000/1,200,000 rows  1,000 rows/s  0 s left')
})

t.test('it fits any width, and what has no room is left out', async (t) => {
  t.equal(
    drawStep(STEP, 24_100, 100),
    'Importing  [###############...............]   52%  523,000/1,000,000 rows  24,100 rows/s  20 s left'
  )
  t.equal(drawStep(STEP, 24_100, 50), 'Importing   52%  523,000/1,000,000 rows  20 s left')
  t.equal(drawStep(STEP, 24_100, 20), 'Importing   52%')
  for (let width = 1; width < 120; width++) t.ok(drawStep(STEP, 24_100, width).length <= width)
})

function bar(terminal: object) {
  const written: string[] = []
  const stream = { write: (line: string) => written.push(line), ...terminal }
  return { written, progress: new ProgressBar(stream as unknown as NodeJS.WriteStream) }
}

t.test('it is drawn at most ten times a second, and cleared once', async (t) => {
  const { written, progress } = bar({ isTTY: true, columns: 80 })
  const began = performance.now()
  for (let done = 0; done < 10_000; done++) progress.show({ ...STEP, done })
  const tenths = Math.floor((performance.now() - began) / 100)
  t.ok(
    written.length >= 1 && written.length <= tenths + 1,
    `${written.length} in ${tenths} tenths of a second`
  )
  progress.clear()
  progress.clear()
  t.equal(written.filter((line) => line === '\r\x1b[K').length, 1)
})

t.test('it says what is waited for', async (t) => {
  const { written, progress } = bar({ isTTY: true, columns: 20 })
  progress.say('The service is busy for a while.')
  t.same(written, ['\rThe service is busy\x1b[K'])
})

t.test('where there is no terminal it is silent', async (t) => {
  const { written, progress } = bar({ isTTY: undefined })
  progress.show(STEP)
  progress.say('waiting')
  progress.clear()
  t.same(written, [])
})
