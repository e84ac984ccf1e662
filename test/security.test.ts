import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { ROOT } from './helpers.ts'

interface Requirement {
  id: string
  level: string
  proof: string
}

/** Of level 1 and 2 in ASVS 5.0.0, without those that the page puts aside in a sentence. */
const REQUIREMENTS = 197
const FOLDER = path.join(ROOT, 'docs')
const page = read('docs/security.md')
const requirements = parseRows(page)
const proven = requirements.flatMap(({ id, proof }) => titlesIn(proof).map((title) => ({ id, title })))

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8')
}

function parseRows(text: string): Requirement[] {
  const rows = text.matchAll(/^\| (\d+\.\d+\.\d+) \|(.*)\|$/gm)
  return [...rows].map(([, id = '', rest = '']) => {
    const [level = '', , , proof = ''] = rest.split('|').map((cell) => cell.trim())
    return { id, level, proof }
  })
}

/** The parts of a proof that are nothing but code: the titles of tests. */
function titlesIn(proof: string): string[] {
  return partsOf(proof).flatMap((part) => /^`([^`]+)`$/.exec(part)?.[1] ?? [])
}

/** Titles and reasons may have semicolons too, where no other part begins. */
function partsOf(proof: string): string[] {
  return proof.split(/; (?=`|review:|operator:|not met:|not applicable:)/)
}

/** The titles of a file's tests, as patterns, for a template may stand for several. */
function titlesOf(file: string): RegExp[] {
  const calls = read(file).matchAll(/\b(?:t\.)?test\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)
  return [...calls].map(([, , title = '']) => {
    const fixed = title.replace(/\\(.)/g, '$1').split(/\$\{[^}]*\}/)
    return new RegExp(`^${fixed.map(escapeRegExp).join('.+')}$`)
  })
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function filesOf(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT }).sort()
}

function order(id: string): number {
  return id.split('.').reduce((sum, part) => sum * 100 + Number(part), 0)
}

t.test('every test that the security page names is there', async (t) => {
  const titles = filesOf('test/**/*.test.ts').flatMap(titlesOf)
  const isThere = (title: string) => titles.some((pattern) => pattern.test(title))
  t.ok(proven.length > 100, 'it names many')
  for (const { id, title } of proven) t.ok(isThere(title), `${id} names: ${title}`)
})

t.test('every requirement stands there once, in order, with a level and a proof or a reason', async (t) => {
  const ids = requirements.map(({ id }) => id)
  t.equal(ids.length, REQUIREMENTS, 'all that apply')
  t.strictSame(
    ids,
    [...new Set(ids)].sort((a, b) => order(a) - order(b))
  )
  const isPart = (part: string) => /^(`[^`]+`$|(review|operator|not met|not applicable): \S)/.test(part)
  const wanting = requirements.filter(
    ({ level, proof }) => !/^[12]$/.test(level) || !partsOf(proof).every(isPart)
  )
  t.strictSame(wanting, [], 'none is wanting')
})

t.test('the list of what is not met is complete', async (t) => {
  const told = /^Not met, all or in part: (.*)\.$/m.exec(page)?.[1]
  const unmet = requirements.filter(({ proof }) => proof.includes('not met: ')).map(({ id }) => id)
  t.equal(told, unmet.join(', '))
})

t.test('every file that the security page names is there', async (t) => {
  const linked = [...page.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, file = '']) =>
    path.resolve(FOLDER, file)
  )
  const named = [...page.matchAll(/`([\w.-]+(?:\/[\w.-]+)*(?:\/|\.(?:ts|md|json|txt|yml)))`/g)].map(
    ([, file = '']) => path.join(ROOT, file)
  )
  t.ok(linked.length > 0 && named.length > 20, 'it names some')
  t.strictSame(
    [...linked, ...named].filter((file) => !existsSync(file)),
    []
  )
})

t.test('the security page names every event of the log', async (t) => {
  const sources = filesOf('{plugins,routes}/**/*.ts').map(read).join('\n')
  const logged = [...sources.matchAll(/\bevent: '(\w+)'/g)].map(([, event]) => event as string)
  const paragraph = /^\*\*Log\.\*\*[\s\S]*?\n\n/m.exec(page)?.[0] ?? ''
  const told = [...paragraph.matchAll(/`(\w+)`/g)].map(([, event]) => event as string)
  t.strictSame(told.sort(), [...new Set(logged)].sort())
})
