/** Nothing takes more than linear time: each expression is looked at, and every place of every operation is tried. */
import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { buildApp, ROOT } from './helpers.ts'
import type { Analysed, Expression, Task } from './linear-time/analysis.ts'

const run = promisify(execFile)
/** Of the runs in a place every so-manieth; `npm run attacktest` tries them all. */
const STEP = '23'

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

/** Those that repeat something, each once, in the files and further ones. */
async function analyse(task: Task): Promise<Analysed[]> {
  const analysis = run(process.execPath, ['test/linear-time/analysis.ts'], { cwd: ROOT })
  analysis.child.stdin?.end(JSON.stringify(task))
  return JSON.parse((await analysis).stdout)
}

t.test('every regular expression takes linear time', async (t) => {
  const folders = '{plugins,routes,schemas,db,cluster}/**/*.ts'
  const files = globSync(['{app,config,main}.ts', folders], { cwd: ROOT })
  const made = await madeDuring(async () => {
    await buildApp(t)
    // Loaded once more, so that it makes its expressions here.
    await import(`${path.join(ROOT, 'db/folding.ts')}?again`)
  })
  const slow = ['^[^\\0]*[^ \\0][^\\0]*$', '^-+|-+$', '(?=a)a*']
  const known = slow.map((source) => ({ place: 'here', source, flags: 'u' }))
  const analysed = await analyse({ files, more: [...made, ...known] })
  t.ok(analysed.length > 30, 'of the sources, the schemas and the addresses')
  for (const { place, source, flags, isLinear } of analysed) {
    if (place !== 'here') t.ok(isLinear, `/${source}/${flags} ${place}`)
    else t.notOk(isLinear, `/${source}/ does not, or it is not known`)
  }
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
