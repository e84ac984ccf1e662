import t, { type Test } from 'tap'
import { reportRefused, summarize } from '../../../scripts/client/report.ts'
import { RESULT } from './fakes.ts'

const PARTIAL = { partial: true, dryRun: false }

function reported(t: Test, ...report: Parameters<typeof reportRefused>) {
  const log = t.capture(console, 'error')
  reportRefused(...report)
  return log().map(({ args }) => args[0])
}

t.test('one is one and many are many', async (t) => {
  t.equal(summarize({ ...RESULT, created: 1 }), '1 author created, 0 unchanged, 0 refused')
  t.equal(
    summarize({ ...RESULT, created: 0, refused: 1234 }),
    '0 authors created, 0 unchanged, 1,234 refused'
  )
  t.equal(summarize({ ...RESULT, dry_run: true }), '3 authors would be created, 0 unchanged, 0 refused')
})

t.test('it lists the refused rows and says how many more there are', async (t) => {
  const errors = [
    { line: 2, pointer: '/name', detail: 'is required' },
    { line: 2, pointer: '/book', detail: 'is required' },
    { line: 4, pointer: '', detail: 'is not a JSON text' }
  ]
  const lines = ['line 2: /name is required', 'line 2: /book is required', 'line 4: is not a JSON text']
  t.same(reported(t, { ...RESULT, refused: 2, errors }, PARTIAL), lines)
  t.same(reported(t, { ...RESULT, refused: 3, errors }, PARTIAL), [...lines, '1 more row was refused.'])
  const many = reported(t, { ...RESULT, refused: 1234, errors }, PARTIAL)
  t.equal(many.at(-1), '1,232 more rows were refused.')
  t.same(reported(t, RESULT, { partial: false, dryRun: false }), [], 'and nothing where none was')
})

t.test('of many refused rows the first are shown, and all are counted by what is wrong', async (t) => {
  const errors = Array.from({ length: 100 }, (_, n) => ({
    line: n + 2,
    pointer: '',
    detail: `has ${n} cells`
  }))
  const reasons = [
    {
      ...{ reason: 'is required', pointer: '/name', count: 4328 },
      example: { line: 700, pointer: '/name', detail: 'is required' }
    },
    {
      reason: 'has … cells',
      pointer: '',
      count: 120,
      example: { line: 2, pointer: '', detail: 'has 0 cells' }
    }
  ]
  const lines = reported(t, { ...RESULT, refused: 4448, errors, reasons }, PARTIAL)
  t.equal(lines.length, 20 + 1 + 1 + 2)
  t.strictSame(lines.slice(19), [
    'line 21: has 19 cells',
    '4,428 more rows were refused.',
    'All of them by what is wrong:',
    '    4,328 x /name is required (for example line 700)',
    '      120 x has … cells (for example line 2: has 0 cells)'
  ])
})

t.test('what a file says is no order to the terminal', async (t) => {
  const errors = [{ line: 1, pointer: '', detail: 'has unknown columns (\x1b[31mred\x07)' }]
  const [line] = reported(t, { ...RESULT, refused: 1, errors }, PARTIAL)
  t.equal(line, 'line 1: has unknown columns (�[31mred�)')
})
