import { deepStrictEqual, match } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { JsonRefused, parseExactJson } from '../../plugins/json-body/exact-json.ts'
import { findJsonFault, placeOf } from '../../plugins/json-body/json-fault.ts'

/** A JSON text, and whether something that it says would be lost. */
interface Text {
  text: string
  isLossy: boolean
}

const RUNS = 2000

/** A number as its digits and a power of ten, of any size. */
function exactly(number: string): [digits: bigint, exponent: number] {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  return [BigInt(whole + fraction), Number(exponent) - fraction.length]
}

function areEqual(one: string, other: string): boolean {
  const [[a, m], [b, n]] = [exactly(one), exactly(other)]
  const least = Math.min(m, n)
  return a * 10n ** BigInt(m - least) === b * 10n ** BigInt(n - least)
}

function toNumber(text: string): Text {
  const kept = Number(text)
  return { text, isLossy: !Number.isFinite(kept) || !areEqual(text, String(kept)) }
}

/** With a character or none of it escaped. */
function spelled(name: string, escaped: number): string {
  const written = [...name].map((character, i) =>
    i === escaped
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      : JSON.stringify(character).slice(1, -1)
  )
  return `"${written.join('')}"`
}

function toList(items: Text[], space: string): Text {
  return {
    text: `[${space}${items.map(({ text }) => text).join(`${space},`)}]`,
    isLossy: items.some(({ isLossy }) => isLossy)
  }
}

function toObject(members: [name: string, escaped: number, value: Text][], space: string): Text {
  const texts = members.map(
    ([name, escaped, { text }]) => `${space}${spelled(name, escaped)}${space}:${text}`
  )
  const names = new Set(members.map(([name]) => name))
  return {
    text: `{${texts.join(',')}}`,
    isLossy: names.size < members.length || members.some(([, , { isLossy }]) => isLossy)
  }
}

const digits = fc.oneof(fc.nat(9), fc.nat(), fc.bigInt(0n, 10n ** 22n)).map(String)
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits,
    fc.option(fc.tuple(fc.nat(20), digits)),
    fc.option(fc.integer({ min: -345, max: 320 }))
  )
  .map(([sign, whole, fraction, exponent]) =>
    toNumber(
      `${sign}${whole}${fraction ? `.${'0'.repeat(fraction[0])}${fraction[1]}` : ''}${exponent === null ? '' : `e${exponent}`}`
    )
  )
const kept = fc
  .oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())
  .map((value) => toNumber(JSON.stringify(value)))
const word = fc.constantFrom('true', 'false', 'null').map((text) => ({ text, isLossy: false }))
const string = fc.string({ unit: 'binary' }).map((text) => ({ text: JSON.stringify(text), isLossy: false }))
/** Whoever has met the name `\\` reads the name `\"` as that afterwards, in Node 24: V8 finds known names in the text without a look at escapes. */
const isReadByNode = (text: string) => !text.endsWith('\\')
const name = fc.oneof(fc.constantFrom('a', 'b', '"', '\\n', '{":', ''), fc.string()).filter(isReadByNode)
const space = fc.constantFrom('', ' ', '\r\n\t')

const { json } = fc.letrec<{ json: Text; list: Text; object: Text }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    kept,
    word,
    string,
    { arbitrary: number, weight: 1 },
    tie('list'),
    tie('object')
  ),
  list: fc.tuple(fc.array(tie('json'), { maxLength: 4 }), space).map(([items, gap]) => toList(items, gap)),
  object: fc
    .tuple(fc.array(fc.tuple(name, fc.integer({ min: -5, max: 3 }), tie('json')), { maxLength: 4 }), space)
    .map(([members, gap]) => toObject(members, gap))
}))

/** The value, or nothing where the text is refused. */
function read(parse: (text: string) => unknown, text: string): { value: unknown } | undefined {
  try {
    return { value: parse(text) }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof JsonRefused)) throw error
    return undefined
  }
}

t.test('a JSON text is read as JSON.parse does it, unless something would be lost', async (t) => {
  const met = { lossy: 0, whole: 0 }
  const reading = fc.property(json, ({ text, isLossy }) => {
    met[isLossy ? 'lossy' : 'whole'] += 1
    deepStrictEqual(read(parseExactJson, text), isLossy ? undefined : read(JSON.parse, text))
  })
  fc.assert(reading, { numRuns: RUNS })
  for (const [what, times] of Object.entries(met)) t.ok(times > RUNS / 10, `${what}: ${times}`)
})

t.test('what is no JSON is refused, and nothing else goes wrong', async (t) => {
  const broken = fc
    .tuple(
      json,
      fc.nat(),
      fc.nat(3),
      fc.constantFrom('', '"', '\\', ':', '{', ']', ',', '-', '1e', '.', '\u00a0', '\ud800')
    )
    .map(([{ text }, at, less, more]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + more + text.slice(place + less)
    })
  const reading = fc.property(fc.oneof(broken, fc.string()), (text) => {
    const found = read(parseExactJson, text)
    if (found !== undefined) deepStrictEqual(found, read(JSON.parse, text))
  })
  fc.assert(reading, { numRuns: RUNS })
  t.pass(`in ${RUNS} texts`)
})

t.test('the place of a fault is found where JSON.parse finds one, and nowhere else', async (t) => {
  const met = { broken: 0, whole: 0 }
  const cutting = fc.property(
    json,
    fc.nat(),
    fc.constantFrom('', ' ', ',', '}', '"', 'x'),
    ({ text }, at, more) => {
      const cut = text.slice(0, at % (text.length + 1))
      const fault = findJsonFault(cut + more)
      met[fault === undefined ? 'whole' : 'broken'] += 1
      deepStrictEqual(fault === undefined, read(JSON.parse, cut + more) !== undefined)
      if (fault === undefined) return
      // Neither sooner than in the last word, number or escape that may be cut, nor later than the end.
      match(cut.slice(fault.at), /^[\w.+\\-]*$/)
      deepStrictEqual(fault.at <= cut.length + more.length, true)
    }
  )
  fc.assert(cutting, { numRuns: RUNS })
  for (const [what, times] of Object.entries(met)) t.ok(times > RUNS / 50, `${what}: ${times}`)
  t.strictSame(
    findJsonFault('['.repeat(400_000)),
    { at: 400_000, expected: 'a value or "]"' },
    'however deep'
  )
})

t.test('a place is told by its line, and by the characters before it', async (t) => {
  const texts = fc.string({
    unit: fc.constantFrom('a', 'é', '\u{1f600}', '\ud83d', '\udc00', '\r', '\n', '\r\n')
  })
  const telling = fc.property(texts, fc.nat(), fc.nat(), (text, number, firstLine) => {
    const at = number % (text.length + 1)
    const lines = text.slice(0, at).split(/\r\n|\r|\n/)
    const column = [...(lines.at(-1) as string)].length + 1
    deepStrictEqual(placeOf(text, at, firstLine), `line ${firstLine + lines.length - 1}, column ${column}`)
  })
  fc.assert(telling, { numRuns: RUNS })
  t.pass(`in ${RUNS} texts`)
})

t.test('what would be lost, and what would not', async (t) => {
  const kept = [
    ...['0', '-0', '-0.0', '0e999', '1.0', '1e3', '1E+3', '1.50', '1e-7', '100000000000000000000000', '1e23'],
    ...[
      '0.1',
      '5e-324',
      '1.7976931348623157e308',
      '9007199254740992',
      '9007199254740994',
      '123456789012345680'
    ],
    ...[
      `1${'0'.repeat(300)}`,
      `0.${'0'.repeat(300)}1`,
      `1${'0'.repeat(400)}e-400`,
      '{"a":{"a":[{"a":1},{"a":1}]},"b":"a"}'
    ],
    ...[
      '{"a":":","b":"\\":","c":"{"}',
      '{"a\\u0000":1,"a":2}',
      '{"\\\\":1,"\\\\\\\\":2}',
      '{"é":1,"e\u0301":2}',
      '\ufeff{}',
      ' 1 '
    ]
  ]
  const lost = [
    ...[
      '1e-400',
      '1e400',
      '-1e400',
      '4e-324',
      '2e-324',
      '9007199254740993',
      '-9007199254740993',
      '1.00000000000000000001'
    ],
    ...[
      '0.12345678901234567',
      '123456789012345678',
      `1${'0'.repeat(300)}1`,
      `1e${'9'.repeat(30)}`,
      `1e-${'9'.repeat(30)}`
    ],
    ...[
      '{"a":1,"a":1}',
      '{"":1,"":1}',
      '{"a":{"b":1,"b":1}}',
      '[[{"a":1,"b":2,"a":3}]]',
      '{"a":{"c":1},"b":1,"a":{}}'
    ],
    ...[
      '{"\\u0061":1,"a":2}',
      '{"\\"":1,"\\u0022":2}',
      '{"\\/":1,"/":2}',
      '{"\\ud83d\\ude00":1,"😀":2}',
      '{"a":[],"b":[{}],"a":1}'
    ]
  ]
  for (const text of kept)
    t.strictSame(
      read(parseExactJson, text),
      read((json) => JSON.parse(json.replace('\ufeff', '')), text),
      text
    )
  for (const text of lost) t.equal(read(parseExactJson, text), undefined, text)
})
