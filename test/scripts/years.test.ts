/** Years of daily edits in their short form. */
import path from 'node:path'
import t from 'tap'
import { compareYears, growthOf, isBounded, passYears } from '../../scripts/growth/years.ts'
import { temporaryFolder } from '../helpers.ts'

t.test('ten years of daily edits take no more room than what is kept of them', async (t) => {
  const folder = temporaryFolder(t)
  const years = { years: 10, edited: 1 }
  const all = await passYears({ ...years, keep: 'forever', file: path.join(folder, 'all.db') })
  const kept = await passYears({ ...years, keep: '20v', file: path.join(folder, 'kept.db') })
  t.equal(all.at(-1)?.changes, 3651)
  t.ok((kept.at(-1)?.changes as number) < 30, 'those of the last days and versions are kept')
  t.ok(isBounded(kept), `${growthOf(kept)}`)
  const [first, last] = [kept[0]?.fileBytes, all.at(-1)?.fileBytes] as [number, number]
  t.ok(last > 4 * first, `${last} bytes for ever, ${first} for 20 versions`)
})

t.test('what grows all the same is told', async (t) => {
  const lines: string[] = []
  const folder = temporaryFolder(t)
  const fileFor = (keep: string) => path.join(folder, `${keep}.db`)
  t.strictSame(await compareYears({ years: 1, edited: 1, fileFor }, (line) => lines.push(line)), [])
  t.match(lines, [
    /^HISTORY_KEEP=forever, year 1: [\d.]+ MB, write-ahead log [\d.]+ MB, 366 changes$/,
    /365d/,
    /20v/
  ])
  const growing = [1, 2, 4].map((size) => ({ year: size, fileBytes: size, logBytes: 0, changes: 0 }))
  t.notOk(isBounded(growing))
  t.equal(growthOf(growing.slice(0, 2)), null)
})
