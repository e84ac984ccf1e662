import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { describeBuild, readBuild } from '../../plugins/build/version.ts'
import { temporaryFolder } from '../helpers.ts'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const OTHER = COMMIT.replaceAll('0', 'f')

t.test('the commit of a package, of a clone, or of nothing', async (t) => {
  const cases: [string, Record<string, string>, string | null][] = [
    ['a package', { 'build.json': JSON.stringify({ commit: COMMIT }) }, COMMIT],
    ['a package whose commit was not known', { 'build.json': '{"commit":null}' }, null],
    ['a branch', { '.git/HEAD': 'ref: refs/heads/main\n', '.git/refs/heads/main': `${COMMIT}\n` }, COMMIT],
    [
      'a branch that git has packed',
      {
        '.git/HEAD': 'ref: refs/heads/main\n',
        '.git/packed-refs': `# pack-refs with: peeled\n${OTHER} refs/heads/maintained\n${COMMIT} refs/heads/main\n`
      },
      COMMIT
    ],
    ['a branch without a commit', { '.git/HEAD': 'ref: refs/heads/main\n' }, null],
    ['a commit', { '.git/HEAD': `${COMMIT}\n` }, COMMIT],
    ['files', {}, null]
  ]
  for (const [what, files, commit] of cases) {
    const root = temporaryFolder(t)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
      writeFileSync(path.join(root, name), text)
    }
    t.match(readBuild(root), { version: /^\d+\.\d+\.\d+/, commit: commit?.slice(0, 12) ?? null }, what)
  }
})

t.test('for people', async (t) => {
  t.equal(describeBuild({ version: '1.2.0', commit: '0123456789ab' }), '1.2.0 (0123456789ab)')
  t.equal(describeBuild({ version: '1.2.0', commit: null }), '1.2.0')
})
