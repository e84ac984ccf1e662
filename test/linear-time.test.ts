/** Nothing takes more than linear time: each expression is looked at, and every place of every operation is tried. */
import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { buildApp, ROOT } from './helpers.ts'

const run = promisify(execFile)
/** Of the runs in a place every so-manieth; `npm run attacktest` tries them all. */
const STEP = '23'

// Its analysis in this process, where its others start one.
process.env.RECHECK_SYNC_BACKEND = 'pure'
const tools = createRequire(new URL('../tools/package.json', import.meta.url))

interface Expression {
  place: string
  source: string
  flags: string
}

/** The expressions that the service makes during the work, and those that Ajv makes of its schemas. */
async function madeDuring(work: () => Promise<unknown>): Promise<Expression[]> {
  const Original = globalThis.RegExp
  const made: Expression[] = []
  globalThis.RegExp = new Proxy(Original, {
    construct(target, args, newTarget) {
      const expression: RegExp = Reflect.construct(target, args, newTarget)
      const place = new Error().stack?.split('\n')[2] ?? ''
      if (!place.includes('node_modules') || place.includes('/ajv/')) {
        made.push({ place, source: expression.source, flags: expression.flags })
      }
      return expression
    }
  })
  try {
    await work()
  } finally {
    globalThis.RegExp = Original
  }
  return made
}

interface SyntaxNode {
  kind: number
  text?: string
  forEachChild(callback: (node: SyntaxNode) => void): void
}

/** The expressions that stand in a source file. */
function writtenIn(place: string): Expression[] {
  const { createSourceFile, ScriptTarget, SyntaxKind } = tools('typescript')
  const found: Expression[] = []
  const visit = (node: SyntaxNode) => {
    if (node.kind === SyntaxKind.RegularExpressionLiteral) {
      const [, source = '', flags = ''] = /^\/(.*)\/(\w*)$/s.exec(node.text ?? '') ?? []
      found.push({ place, source, flags })
    }
    node.forEachChild(visit)
  }
  visit(createSourceFile(place, readFileSync(path.join(ROOT, place), 'utf8'), ScriptTarget.Latest))
  return found
}

/** Where nothing repeats without bounds, a search is linear. */
function repeats({ source }: Expression): boolean {
  return /[*+]|\{\d+,\}/.test(source)
}

/** What the analysis cannot prove, such as an expression that looks ahead, counts as not linear; it takes the time it needs. */
function isLinear({ source, flags }: Pick<Expression, 'source' | 'flags'>): boolean {
  return tools('recheck').checkSync(source, flags, { checker: 'automaton', timeout: null }).status === 'safe'
}

t.test('every regular expression takes linear time', async (t) => {
  const folders = '{plugins,routes,schemas,db,cluster}/**/*.ts'
  const written = globSync(['{app,config,main}.ts', folders], { cwd: ROOT }).flatMap(writtenIn)
  const made = await madeDuring(async () => {
    await buildApp(t)
    // Loaded once more, so that it makes its expressions here.
    await import(`${path.join(ROOT, 'db/folding.ts')}?again`)
  })
  const all = [...written, ...made].filter(repeats)
  const distinct = new Map(all.map((expression) => [`/${expression.source}/${expression.flags}`, expression]))
  t.ok(distinct.size > 30, 'of the sources, the schemas and the addresses')
  for (const [text, expression] of distinct) t.ok(isLinear(expression), `${text} ${expression.place}`)
  for (const source of ['^[^\\0]*[^ \\0][^\\0]*$', '^-+|-+$', '(?=a)a*'])
    t.notOk(isLinear({ source, flags: 'u' }), `/${source}/ does not, or it is not known`)
})

t.test('no request of less than 1 MiB holds the event loop for more than 50 ms', async (t) => {
  // Without tap's coverage, with which it takes several times as long.
  const env = { ...process.env, NODE_OPTIONS: '', _TAPJS_PROCESSINFO_COVERAGE_: '0' }
  const { stdout } = await run(process.execPath, ['scripts/attacktest.ts', STEP], { cwd: ROOT, env }).catch(
    (error) => error
  )
  t.match(stdout, /^\d{3} requests, 0 too slow/m)
  t.match(stdout, /^\d{2} files, 0 too slow/m)
})
