import path from 'node:path'
import t, { type Test } from 'tap'
import type { Page } from '../../scripts/search/service.ts'
import { searchtest } from '../../scripts/searchtest.ts'
import { temporaryFolder } from '../helpers.ts'

const SEED = 20_261_126

function optionsFor(t: Test, sizes: { authors: number; rounds: number; mostPages: number }) {
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  return { ...sizes, seed: SEED, databaseFile: path.join(temporaryFolder(t), 'library.db'), log, lines }
}

t.test('what is looked for in a large catalogue is found as by a plain scan, while it changes', async (t) => {
  const options = optionsFor(t, { authors: 17_500, rounds: 2, mostPages: 10 })
  const { faults, sizes } = await searchtest(options)
  t.strictSame(faults, [])
  for (const [size, count] of Object.entries(sizes)) t.ok(count > 0, `some questions found ${size}`)
  t.comment(options.lines.join('\n'))
})

t.test('it sees what is missing, twice, at another place, changed, or counted wrong', async (t) => {
  const spoilers: ((page: Page) => Page)[] = [
    (page) => ({ ...page, data: page.data.slice(1) }),
    (page) => ({ ...page, data: [...page.data, ...page.data.slice(-1)] }),
    (page) => ({ ...page, data: page.data.toReversed() }),
    (page) => ({ ...page, data: page.data.map((author) => ({ ...author, note: 'spoilt' })) }),
    (page) => ({ ...page, next: null }),
    (page) => ({ ...page, ...(page.total && { total: page.total + 1 }) })
  ]
  let pages = 0
  const sabotage = (page: Page) => spoilers[pages++ % spoilers.length]?.(page) as Page
  const sizes = { authors: 1000, rounds: 1, mostPages: 3 }
  const { faults } = await searchtest({ ...optionsFor(t, sizes), sabotage })
  const found = faults.join('\n')
  t.match(found, /^seed \d+: \/authors\?.*, page \d+: /)
  for (const kind of [
    /entry \d+ of \d+ is not /,
    /"note":"spoilt"/,
    / is one more than the /,
    /next is null after /,
    /the total is \d+, not /
  ])
    t.match(found, kind)
})
