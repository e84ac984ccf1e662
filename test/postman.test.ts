import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { generatePostman } from '../scripts/postman/collection.ts'
import { WALK } from '../scripts/postman/walk.ts'
import { test } from './engines.ts'
import { listen, ROOT } from './helpers.ts'

const newman = createRequire(new URL('../tools/package.json', import.meta.url))('newman')

const readText = (name: string) => readFileSync(path.join(ROOT, 'postman', name), 'utf8')

interface Summary {
  run: {
    stats: { assertions: { total: number } }
    failures: { source: { name: string }; error: { message: string } }[]
    executions: { item: { name: string }; response?: { code: number } }[]
  }
}

/** Runs a folder of the committed collection with the committed environment, as Newman's command line would. */
function runNewman(baseUrl: string, folder?: string): Promise<Summary> {
  const options = {
    collection: JSON.parse(readText('library.postman_collection.json')),
    environment: JSON.parse(readText('library.postman_environment.json')),
    envVar: [{ key: 'baseUrl', value: baseUrl }],
    folder
  }
  return new Promise((resolve, reject) => {
    newman.run(options, (error: Error | null, summary: Summary) => (error ? reject(error) : resolve(summary)))
  })
}

function failuresOf(run: Summary['run']): string[] {
  return run.failures.map(({ source, error }) => `${source.name}: ${error.message}`)
}

t.test('the committed collection and environment are what the service generates', async (t) => {
  for (const [name, text] of Object.entries(await generatePostman()))
    t.equal(readText(name), text, `postman/${name} is up to date; if not, run npm run postman`)
})

test('the walk comes first and passes, also a second time on the same database', async (t) => {
  const { item } = JSON.parse(readText('library.postman_collection.json'))
  t.equal(item[0].name, WALK)
  const { url } = await listen(t)
  for (const time of ['first', 'second']) {
    const { run } = await runNewman(url, WALK)
    t.strictSame(failuresOf(run), [], `nothing fails the ${time} time`)
    t.equal(run.executions.length, item[0].item.length, 'every request is sent')
    t.ok(run.stats.assertions.total >= item[0].item.length, 'and every answer is checked')
  }
})

t.test('baseUrl may have a path', async (t) => {
  const { url } = await listen(t, { BASE_PATH: '/shelf' })
  const { run } = await runNewman(`${url}/shelf`, WALK)
  t.strictSame(failuresOf(run), [])
})

test('every request of the collection fits the service', async (t) => {
  const { url } = await listen(t)
  const { run } = await runNewman(url)
  t.strictSame(failuresOf(run), [])
  for (const { item, response } of run.executions)
    t.notMatch(response?.code, /^(400|405|415|5\d\d)$/, `${item.name}: ${response?.code}`)
})
