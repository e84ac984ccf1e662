import path from 'node:path'
import t from 'tap'
import { retrytest } from '../../scripts/retrytest.ts'
import { temporaryFolder } from '../helpers.ts'

t.test('a thousand retried POSTs across ten kills make a thousand authors', async (t) => {
  const lines: string[] = []
  const databaseFile = path.join(temporaryFolder(t), 'library.db')
  const log = (line: string) => lines.push(line)
  const { authors, requests, faults } = await retrytest({ posts: 1000, kills: 10, databaseFile, log })
  t.comment(lines.join('\n'))
  t.strictSame({ authors, faults }, { authors: 1000, faults: [] })
  t.ok(requests > 2000, 'some were sent again')
})

t.test('without keys a retry would be noticed', async (t) => {
  const databaseFile = path.join(temporaryFolder(t), 'library.db')
  const { faults } = await retrytest({ posts: 20, kills: 0, databaseFile, log: () => {}, withoutKeys: true })
  t.equal(faults.length, 20)
})
