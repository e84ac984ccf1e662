/** The OpenAPI document as other programs read it: what is published of texts and numbers, how much there is of it, and its names. */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { isPortable } from '../plugins/openapi/published.ts'
import { schemas } from '../schemas/index.ts'
import { documentedHeader } from '../schemas/ref.ts'
import {
  type Document,
  type Operation,
  routesOf,
  type Schema,
  wholeDocument
} from '../scripts/fuzz/document.ts'
import { buildApp, ROOT, signInAdmin } from './helpers.ts'

const tools = createRequire(new URL('../tools/package.json', import.meta.url))
const { RE2JS } = await import(tools.resolve('re2js'))
// Its analysis in this process, where its others start one.
process.env.RECHECK_SYNC_BACKEND = 'pure'

const server = await buildApp(t)
const { headers } = await signInAdmin(server)
const { body } = await server.inject('/openapi.json')
const sent: Document = JSON.parse(body)
const document = wholeDocument(sent)

interface Text extends Schema {
  pattern: string
  publishedPattern?: string
}

/** Every text with a pattern anywhere in the value. */
function textsIn(value: unknown): Text[] {
  if (typeof value !== 'object' || value === null) return []
  const within = Object.values(value).flatMap(textsIn)
  return typeof (value as Text).pattern === 'string' ? [value as Text, ...within] : within
}

/** All texts of the source, one of each pattern. */
async function textsOfSource(): Promise<Text[]> {
  const files = globSync('schemas/*.ts', { cwd: ROOT }).map((file) => path.join(ROOT, file))
  const modules = await Promise.all(files.map((file) => import(file)))
  const texts = modules.flatMap((module) => textsIn(Object.values(module)))
  return [...new Map(texts.map((text) => [text.pattern, text])).values()]
}

const LETTERS = [
  'a',
  'Z',
  '9',
  '.',
  '_',
  '@',
  '+',
  '-',
  'é',
  'ß',
  'я',
  'ا',
  '語',
  '한',
  '𝒜',
  '😀',
  '𠮷',
  'e\u0301',
  'ก็',
  '\u00ad',
  '\u200d'
]
const OTHERS = [
  ' ',
  '\t',
  '\n',
  '\r',
  '\u00a0',
  '\u2028',
  '\u3000',
  '\u200b',
  '\u2800',
  '\u0085',
  '~',
  '"',
  '\\',
  '/',
  '[',
  '\u{10ffff}'
]

/** Texts of all kinds, and such as the pattern takes where fast-check knows how to make them. */
function textsFor(pattern: string) {
  const units = [fc.constantFrom(...LETTERS), fc.constantFrom(...LETTERS, ...OTHERS)]
  const known = /\\p|\[\^/.test(pattern) ? [] : [fc.stringMatching(new RegExp(pattern, 'u'))]
  return fc.oneof(
    ...known,
    ...units.map((unit) => fc.string({ unit, maxLength: 40 })),
    fc.string({ unit: 'binary', maxLength: 40 })
  )
}

const PYTHON = `
import json, re, sys
patterns = json.load(sys.stdin)
print(json.dumps([[re.search(pattern, text) is not None for text in texts] for pattern, texts in patterns]))
`

/** Whether Python finds the patterns in the texts; undefined where there is no Python. */
function findByPython(questions: [string, string[]][]): boolean[][] | undefined {
  const { status, stdout, stderr } = spawnSync('python3', ['-W', 'error', '-c', PYTHON], {
    input: JSON.stringify(questions)
  })
  if (status === null) return undefined
  if (status !== 0) throw new Error(String(stderr))
  return JSON.parse(String(stdout))
}

t.test('a published pattern is read alike by all, and takes all that the service takes', async (t) => {
  const texts = await textsOfSource()
  const published = texts.map(({ pattern, publishedPattern = pattern }) => publishedPattern)
  t.ok(
    texts.some(({ pattern }) => pattern.includes('\\p')) && texts.length > 10,
    'there is something to look at'
  )
  t.strictSame(
    new Set(textsIn(sent).map(({ pattern }) => pattern)),
    new Set(published.filter(isPortable)),
    'the document has these and no others'
  )
  const questions = texts.map(({ pattern, publishedPattern = pattern }): [string, string[]] => {
    const strict = new RegExp(pattern, 'u')
    const samples = [...new Set(fc.sample(textsFor(pattern), { numRuns: 1500, seed: 27 }))].filter((text) =>
      text.isWellFormed()
    )
    const taken = samples.filter((text) => strict.test(text))
    t.ok(isPortable(publishedPattern), publishedPattern)
    t.ok(taken.length > 50, `${taken.length} texts fit ${pattern}`)
    const refused = taken.filter((text) => !new RegExp(publishedPattern).test(text))
    t.strictSame(refused, [], `${publishedPattern} takes all that fit ${pattern}`)
    return [publishedPattern, samples]
  })
  const byPython = findByPython(questions)
  for (const [index, [pattern, samples]] of questions.entries()) {
    const [without, re2] = [new RegExp(pattern), RE2JS.compile(pattern)]
    const found = samples.map((text) => without.test(text))
    t.equal(
      tools('recheck').checkSync(pattern, '', { checker: 'automaton' }).status,
      'safe',
      `${pattern} takes linear time`
    )
    t.strictSame(
      samples.map((text) => new RegExp(pattern, 'u').test(text)),
      found,
      `with the flag u: ${pattern}`
    )
    t.strictSame(
      samples.map((text) => re2.matcher(text).find()),
      found,
      `RE2: ${pattern}`
    )
    // In Python `$` stands before a line feed at the end too.
    const isAlike = byPython?.[index]?.every(
      (isFound, at) => isFound === found[at] || (isFound && samples[at]?.endsWith('\n'))
    )
    t.ok(isAlike ?? true, `Python: ${pattern}`)
  }
})

t.test('what not all of them read alike is no pattern to publish', async (t) => {
  const no = [
    '\\p{L}',
    '[^\\P{L}]',
    '[\\u0000-\\u001f]',
    '\\d+',
    '[\\w-]',
    '\\s',
    '\\bx',
    'é',
    '[а-я]',
    '.',
    'a.c',
    '(?=a)b',
    '(?<!a)b'
  ]
  const neither = [
    '(?<n>a)',
    '(a)\\1',
    '(?i)a',
    'a++',
    'a*+',
    'a{1001}',
    'a{,3}',
    '[[:alpha:]]',
    '[]a]',
    'a\\Z',
    '\\Aa',
    '\\z',
    '\\cA',
    '[\\b]',
    '\\x80'
  ]
  for (const pattern of [...no, ...neither]) t.notOk(isPortable(pattern), pattern)
  const yes = [
    '^[1-9][0-9]{0,21}$',
    '^(?:a|b){2,}$',
    '^(me|you)$',
    '[^\\x00]*',
    '^OL[1-9]+A$',
    '^[+*/.]\\.\\-$',
    'a?b+'
  ]
  for (const pattern of yes) t.ok(isPortable(pattern), pattern)
})

t.test('a format is one that JSON Schema knows', async (t) => {
  const formats = new Set([...body.matchAll(/"format":"([^"]+)"/g)].map(([, format]) => format))
  t.strictSame([...formats].sort(), ['date-time', 'uri-reference', 'uuid'])
})

t.test('what operations share is said once, under names that make good names of types', async (t) => {
  const bytes = body.length / routesOf(sent).length
  t.ok(bytes <= 4200, `${bytes} bytes an operation`)
  for (const { title, operation } of routesOf(sent)) {
    t.match(operation.operationId, /^[a-z]+([A-Z][a-z]+)*$/, title)
    for (const [status, response] of Object.entries(operation.responses)) {
      if (status >= '400')
        t.match(response, { $ref: /^#\/components\/responses\/[A-Z][A-Za-z]+$/ }, `${title} ${status}`)
      t.ok(
        Object.values(response.headers ?? {}).every((header) => '$ref' in header),
        `${title} ${status}: headers`
      )
    }
  }
  for (const [kind, named] of Object.entries(sent.components)) {
    const values = Object.values(named).map((value) => JSON.stringify(value))
    t.equal(values.length, new Set(values).size, `no two ${kind} are the same`)
    const form = { examples: /^[A-Z]+(_[A-Z]+)*$/, securitySchemes: /^[a-z]+$/ }[kind] ?? /^([A-Z][a-z]*)+$/
    for (const name of Object.keys(named)) t.match(name, form, kind)
  }
  const titles = [...body.matchAll(/"title":"([A-Za-z]+)"/g)].map(([, title]) => title)
  t.strictSame(
    titles.filter((title) => !(`${title}` in sent.components.schemas)),
    []
  )
  t.notMatch(body, /def-\d|publishedPattern/)
})

/** The objects anywhere in the value that have a title, or a name of their own. */
function namedIn(value: unknown): { name: string; properties: object }[] {
  if (typeof value !== 'object' || value === null) return []
  const { title, $id: name = title, properties } = value as Schema & { title?: unknown }
  const within = Object.values(value).flatMap(namedIn)
  return typeof name === 'string' && properties !== undefined ? [{ name, properties }, ...within] : within
}

t.test('what has the same title in the source is the same', async (t) => {
  const byName = Map.groupBy(namedIn(schemas), ({ name }) => name)
  t.ok(byName.has('AuthorIdentifiers') && byName.has('Author'))
  for (const [name, alike] of byName) {
    t.equal(new Set(alike.map(({ properties }) => JSON.stringify(properties))).size, 1, name)
    t.ok(sent.components.schemas[name]?.properties, `${name} is in the document`)
  }
})

t.test('every operation says what it does, who may, and what is special', async (t) => {
  const descriptions = routesOf(document).map(({ title, operation }) => {
    const { description = '', summary } = operation as Operation & { description?: string }
    t.match(description, /^[A-Z].{30,400}\.$/s, title)
    t.notMatch(description, summary, `${title}: more than its summary`)
    const who =
      operation.security === undefined
        ? /^For (every user|editors|admins|the owner)/
        : /^(Anyone|For registered users)/
    t.match(description, who, title)
    return description
  })
  t.equal(descriptions.length, new Set(descriptions).size, 'each of its own')
})

/** The numbers of the schema, and of what is in it, by their names. */
function numbersIn({ $ref, properties = {} }: Schema): [string, Schema][] {
  if ($ref !== undefined)
    return numbersIn(sent.components.schemas[$ref.split('/').at(-1) as string] as Schema)
  return Object.entries(properties).filter(([, { type }]) => [type].flat().includes('integer'))
}

t.test(
  'every number is taken up to the bounds that are published, and refused beyond them by name',
  async (t) => {
    for (const { title, method, address, operation } of routesOf(document)) {
      const url = address.replaceAll(/{\w+}/g, 'nobody')
      const send = async (name: string, text: string) => {
        const asked = await server.inject({
          method: method as 'GET',
          url: `${url}?${name}=${text}`,
          headers,
          payloadAsStream: true
        })
        if (asked.statusCode === 200) asked.stream().destroy()
        const errors = asked.statusCode === 400 ? JSON.parse(await textOf(asked)).errors : undefined
        return errors?.find(({ pointer }: { pointer: string }) => pointer === `/${name}`)?.detail as
          | string
          | undefined
      }
      const numbers = (operation.parameters ?? []).filter(({ schema }) => schema.type === 'integer')
      for (const { name, schema } of numbers) {
        const { minimum = Number.NaN, maximum = Number.NaN } = schema
        for (const good of [minimum, maximum])
          t.equal(await send(name, String(good)), undefined, `${title} ${name}=${good}`)
        const above = [String(maximum + 1), `${maximum}0`, '18446744073709551616', '9'.repeat(1000)]
        for (const text of above)
          t.match(await send(name, text), `must be at most ${maximum};`, `${title} ${name}=${text}`)
        const below = [String(minimum - 1), '-18446744073709551616', `-${'9'.repeat(1000)}`]
        for (const text of below)
          t.match(await send(name, text), `must be at least ${minimum};`, `${title} ${name}=${text}`)
        const notPlain = [
          '',
          '2.0',
          '2.5',
          '2e1',
          '02',
          '-02',
          '%202',
          '2%20',
          '%2B2',
          '0x2',
          '2_0',
          '2,0',
          'NaN',
          '%D9%A2',
          '%EF%BC%92'
        ]
        for (const text of notPlain)
          t.match(await send(name, text), 'must be an integer in plain digits', `${title} ${name}=${text}`)
      }
    }
  }
)

async function textOf(asked: { stream(): AsyncIterable<Buffer> }): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of asked.stream()) parts.push(part)
  return Buffer.concat(parts).toString()
}

t.test('so is every number of a body', async (t) => {
  let numbers = 0
  for (const { title, method, address, operation } of routesOf(document)) {
    for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
      for (const [name, { minimum = 0, maximum = 0 }] of numbersIn(schema)) {
        numbers += 1
        const url = address.replaceAll(/{\w+}/g, 'nobody')
        const send = async (text: string) => {
          const asked = await server.inject({
            method: method as 'POST',
            url,
            headers: { ...headers, 'content-type': type },
            payload: `{"${name}":${text}}`
          })
          return asked.json().errors?.find(({ pointer }: { pointer: string }) => pointer === `/${name}`)
            ?.detail
        }
        for (const good of [minimum, maximum, '2e1', '20.0'])
          t.equal(await send(String(good)), undefined, `${title} ${name} ${good}`)
        t.match(await send(String(maximum + 1)), `must be at most ${maximum};`, `${title} ${name}`)
        t.match(await send('1e20'), `must be at most ${maximum};`, `${title} ${name}`)
        t.match(await send(String(minimum - 1)), `must be at least ${minimum};`, `${title} ${name}`)
        for (const text of ['19.5', '"20"', 'true', '[20]'])
          t.match(await send(text), 'must be integer', `${title} ${name} ${text}`)
      }
    }
  }
  t.ok(numbers > 0)
})

t.test('the number of an event may be as long as any that is sent', async (t) => {
  for (const [id, status] of [
    ['9007199254740991', 200],
    ['0', 200],
    ['90071992547409911', 400],
    ['-1', 400]
  ] as const) {
    const asked = await server.inject({
      url: '/changes/stream',
      headers: { ...headers, 'last-event-id': id },
      payloadAsStream: true
    })
    t.equal(asked.statusCode, status, id)
    asked.stream().destroy()
  }
})

t.test('a header that an error has, and nobody has described, is found at the start', async (t) => {
  t.throws(() => documentedHeader('x-unheard-of', true), /does not say what the header x-unheard-of is/)
})
