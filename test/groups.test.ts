import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { ROOT } from './helpers.ts'

t.test('every test file is in one group', async (t) => {
  const cwd = path.join(ROOT, 'test')
  const imported = globSync('groups/*.ts', { cwd }).flatMap((group) =>
    [...readFileSync(path.join(cwd, group), 'utf8').matchAll(/^import '\.\.\/(.+)'$/gm)].map(
      ([, file]) => file
    )
  )
  t.strictSame(imported.sort(), globSync('**/*.test.ts', { cwd }).sort())
})
