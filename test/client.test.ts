import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { WITHOUT_PROFILE } from '../scripts/bash.ts'
import { readPage } from '../scripts/clients/page.ts'
import { runRecipe } from '../scripts/clients/run.ts'
import { type Document, type Media, routesOf } from '../scripts/fuzz/document.ts'
import { listen, ROOT, temporaryFolder } from './helpers.ts'

const TOOLS = path.join(ROOT, 'tools/node_modules')
const EXAMPLE = path.join(ROOT, 'examples/client.ts')
const PRINTED_ADDRESS = 'http://127.0.0.1:3000'

/** Each of these lines must be refused by the compiler; `params` are good ones of an author. */
const MISTAKES = {
  'an address that is not there': `library.GET('/author')`,
  'a method that is not taken there': `library.DELETE('/changes')`,
  'no name in the address': `library.GET('/authors/{author}')`,
  'a wrong name in the address': `library.GET('/authors/{author}', { params: { path: { id: '1' } } })`,
  'an unknown query parameter': `library.GET('/authors', { params: { query: { limit: 5, order: 'name' } } })`,
  'a query parameter of a wrong type': `library.GET('/authors', { params: { query: { limit: '5' } } })`,
  'an unknown order': `library.GET('/authors', { params: { query: { sort: 'size' } } })`,
  'a misspelt sequence': `library.GET('/changes', { params: { query: { after: 12 } } })`,
  'an unknown mode': `library.POST('/authors/import', { params: { query: { mode: 'some' } }, body: '' })`,
  'an unknown header': `library.GET('/authors/{author}', { params: { ...params, header: { 'if-none': '1' } } })`,
  'a key where none is taken': `library.GET('/me', { params: { header: { 'idempotency-key': '1' } } })`,
  'no body': `library.POST('/authors')`,
  'a body without a needed field': `library.POST('/authors', { body: { book: 'b', country: 'c' } })`,
  'an unknown field': `library.POST('/authors', { body: { name: 'a', book: 'b', country: 'c', prize: true } })`,
  'a field of a wrong type': `library.POST('/authors', { body: { name: 'a', book: 'b', country: 1 } })`,
  'an unknown field of a patch': `library.PATCH('/authors/{author}', { params, body: { note: '', born: 1 } })`,
  'an unknown inner field': `library.PATCH('/authors/{author}', { params, body: { identifiers: { isbn: '1' } } })`,
  'a file that is no text': `library.POST('/authors/import', { body: [{ name: 'a' }] })`,
  'a field that the answer does not have': `(await library.GET('/me')).data?.name`,
  'a field that the entries do not have': `(await library.GET('/authors')).data?.data[0]?.title`,
  'an unknown book taken for a text': `(await library.GET('/authors/{author}', { params })).data?.book.trim()`,
  'null taken for a number': `(await library.GET('/authors/{author}', { params })).data?.birth_year.toFixed()`,
  'a member that a problem does not have': `(await library.GET('/authors/{author}', { params })).error?.message`,
  'an answer that may be a problem': `(await library.GET('/me')).data.id`
}

const MISTAKEN = `
import type { Library } from './client.ts'
declare const library: Library
const params = { path: { author: '1' } }
${Object.entries(MISTAKES)
  .map(([mistake, line]) => `// @ts-expect-error ${mistake}\n;${line}`)
  .join('\n')}
`

/** A folder as the example's head asks for, with what it tells to install. */
function makeWorkshop(t: Test): string {
  const folder = temporaryFolder(t)
  const modules = path.join(folder, 'node_modules')
  mkdirSync(path.join(modules, '@types'), { recursive: true })
  symlinkSync(path.join(TOOLS, 'openapi-fetch'), path.join(modules, 'openapi-fetch'), 'junction')
  symlinkSync(path.join(ROOT, 'node_modules/@types/node'), path.join(modules, '@types/node'), 'junction')
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  copyFileSync(EXAMPLE, path.join(folder, 'client.ts'))
  writeFileSync(path.join(folder, 'mistakes.ts'), MISTAKEN)
  return folder
}

/** The commands in the example's head that begin so; there is one of each. */
function printedCommand(beginning: string): string {
  const commands = [...readFileSync(EXAMPLE, 'utf8').matchAll(/^ \* {3}(.+)$/gm)].map(([, line]) => line)
  return commands.find((line) => line?.startsWith(beginning)) ?? `false # there is no ${beginning}`
}

/** Runs a command of the example's head with the tools that are here; gives what it prints. */
async function run(command: string, folder: string): Promise<string> {
  const places = [path.join(TOOLS, '.bin'), path.dirname(process.execPath), process.env.PATH]
  // Without tap's variables, which would measure the coverage of the compiler.
  const options = { cwd: folder, env: { PATH: places.join(path.delimiter) } }
  try {
    const { stdout } = await promisify(execFile)(
      'bash',
      [...WITHOUT_PROFILE, command.replace(/^npx /, '')],
      options
    )
    return stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command}\n${stdout}${stderr}`, { cause: error })
  }
}

t.test('a client with types from the live document is checked by the compiler, and works', async (t) => {
  const { url } = await listen(t)
  const folder = makeWorkshop(t)
  await run(printedCommand('npx openapi-typescript').replace(PRINTED_ADDRESS, url), folder)
  await run(`${printedCommand('npx tsc')} mistakes.ts`, folder)
  const printed = await run(printedCommand('node client.ts').replace(PRINTED_ADDRESS, url), folder)
  t.strictSame(printed.trimEnd().split('\n'), [
    'signed in as editor',
    'created Salman Rushdie once',
    'imported 2',
    'found 3 on pages of 2 1',
    'got it: 200 and then 304',
    'replaced, version 2',
    'refused: 412 STALE_VERSION /problems/stale-version',
    'patched: Best of the Booker and still born in 1947',
    'deleted 204',
    'history: deleted patched replaced created',
    'born at first in nobody knows',
    'restored, version 5',
    'changed since: created created replaced patched deleted restored',
    'exported 3'
  ])
})

const { printed, recipes } = readPage()
const isInSuite = ({ language }: { language: string }) => language === 'TypeScript'

t.test('docs/clients.md shows three languages, and each program does the whole job', async (t) => {
  t.strictSame([...new Set(recipes.map(({ language }) => language))], ['TypeScript', 'Python', 'Go'])
  t.match(printed, /^created .*\nread .*\nlisted .*\npatched .*\nrefused: 412 .*\ndeleted\n$/)
  t.equal(recipes.filter(isInSuite).length, 3)
})

interface Zod {
  safeParse(value: unknown): { success: boolean; error?: unknown }
}

/** The examples of the bodies that have a Zod schema of their own, under its name. */
function examplesOf(document: Document): { name: string; example: unknown }[] {
  const examplesIn = (media: Media | undefined) =>
    document.components.schemas[media?.schema.$ref?.split('/').at(-1) ?? '']?.examples ?? []
  return routesOf(document).flatMap(({ operation: { operationId, requestBody, responses } }) => {
    const type = operationId.charAt(0).toUpperCase() + operationId.slice(1)
    const good = responses['200'] ?? responses['201']
    return [
      ...examplesIn(Object.values(requestBody?.content ?? {})[0]).map((example) => ({
        name: `${type}Body`,
        example
      })),
      ...examplesIn(good?.content?.['application/json']).map((example) => ({
        name: `${type}Response`,
        example
      }))
    ]
  })
}

t.test(
  'the clients in TypeScript of docs/clients.md are made, checked by the compiler, and work',
  async (t) => {
    const { server, url } = await listen(t, { RATE_LIMIT: 'off' })
    const folders = new Map(recipes.filter(isInSuite).map((recipe) => [recipe, temporaryFolder(t)]))
    await Promise.all(
      [...folders].map(async ([recipe, folder]) =>
        t.equal(await runRecipe(recipe, url, folder), printed, recipe.title)
      )
    )

    const document: Document = (await server.inject('/openapi.json')).json()
    const ofZod = [...folders].find(([{ title }]) => title.includes('Zod'))?.[1] as string
    const zod: Record<string, Zod> = await import(path.join(ofZod, 'orval/zod.ts'))
    let count = 0
    for (const { name, example } of examplesOf(document)) {
      const schema = zod[name]
      if (schema === undefined) continue
      count += 1
      t.match(schema.safeParse(example), { success: true }, `Zod takes the example of ${name}`)
    }
    t.ok(count > 25, `${count} examples`)
  }
)
