import { parse } from 'secure-json-parse'
import { findJsonFault, placeOf } from './json-fault.ts'

/** A text that is not JSON, or that would not be kept as it was written. The message is the end of "The body ...". */
export class JsonRefused extends Error {
  override readonly name = 'JsonRefused'
}

/** A text that is JSON, and would lose something here. */
class Lost extends Error {
  readonly at: number

  constructor(what: string, at: number) {
    super(what)
    this.at = at
  }
}

/** More than that takes longer to build than others should wait, and no resource has a hundredth of it. */
const MOST_PARTS = 20_000
/** These take a tenth of the time. */
const MOST_ARRAYS = 200_000
const LONGEST_QUOTE = 60
/** So many digits are always kept by a double. */
const DIGITS_KEPT = 15
const LONGEST_NUMBER = 1000
// Codes are compared where a text is long: characters take several times as long.
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const OPENING_BRACKET = 0x5b

/**
 * The value of a JSON text (RFC 8259) of which nothing is lost: every name stands once in its object (section 4), every number
 * is kept as it was written (section 6), and none of them reaches a prototype. It takes a time that is linear in the text.
 * Throws `JsonRefused`, which names the place; `firstLine` is the number of the text's first line in a file.
 */
export function parseExactJson(text: string, firstLine?: number): unknown {
  try {
    refuseLosses(text)
    return parse(text)
  } catch (error) {
    if (error instanceof JsonRefused) throw error
    throw new JsonRefused(whatIsWrong(text, error, firstLine))
  }
}

function whatIsWrong(text: string, error: unknown, firstLine: number | undefined): string {
  // Where it is no JSON, what seemed lost may be none of its names and numbers.
  const fault = findJsonFault(text)
  if (fault !== undefined)
    return `is not a JSON text: at ${placeOf(text, fault.at, firstLine)}, ${fault.expected} is expected`
  if (error instanceof Lost) return `${error.message}, at ${placeOf(text, error.at, firstLine)}`
  return 'has a "__proto__" or "constructor" key, which is not taken'
}

/** It reads before the parser does, which then refuses whatever is not JSON; to the end, for what is too large is looked at no more. */
function refuseLosses(text: string): void {
  const objects = new Objects()
  let [begin, end, arrays] = [0, 0, 0]
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        objects.count()
        begin = at + 1
        end = endOfString(text, begin)
        at = end
        break
      case COLON:
        objects.addName(text.slice(begin, end), begin - 1)
        break
      case OPENING_BRACE:
        objects.open()
        break
      case CLOSING_BRACE:
        objects.close()
        break
      case OPENING_BRACKET:
        arrays += 1
        if (arrays > MOST_ARRAYS) throw new JsonRefused(`has more than ${MOST_ARRAYS} arrays`)
        break
      default:
        if (!beginsNumber(text.charCodeAt(at))) break
        end = endOfNumber(text, at)
        objects.addNumber(text.slice(at, end), at)
        at = end - 1
    }
  }
  if (objects.lost !== undefined) throw objects.lost
}

/** The names of the object that is being read, and of those round it. */
class Objects {
  /** What is lost first. */
  lost: Lost | undefined
  readonly #outer: Set<string>[] = []
  #names = new Set<string>()
  #parts = 0

  open(): void {
    this.count()
    this.#outer.push(this.#names)
    this.#names = new Set()
  }

  close(): void {
    this.#names = this.#outer.pop() ?? new Set()
  }

  addName(written: string, at: number): void {
    if (this.lost !== undefined) return
    const name = written.includes('\\') ? unescaped(written) : written
    if (this.#names.has(name)) this.lost = new Lost(`names ${quote(JSON.stringify(name))} twice`, at)
    this.#names.add(name)
  }

  addNumber(written: string, at: number): void {
    this.count()
    if (this.lost === undefined && !isKept(written))
      this.lost = new Lost(`has the number ${quote(written)}, which cannot be kept as it is`, at)
  }

  count(): void {
    this.#parts += 1
    if (this.#parts > MOST_PARTS) throw new JsonRefused(`has more than ${MOST_PARTS} names and values`)
  }
}

/** Up to the closing quote; an expression goes through escapes several times as fast as a loop of ours. */
const IN_STRING = /(?:[^"\\]|\\.)*/sy

/** Where the string ends that begins here: at its closing quote, or behind the text. */
function endOfString(text: string, begin: number): number {
  const quote = text.indexOf('"', begin)
  if (quote === -1) return text.length
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote
  IN_STRING.lastIndex = begin
  IN_STRING.test(text)
  return IN_STRING.lastIndex
}

function unescaped(written: string): string {
  try {
    return JSON.parse(`"${written}"`)
  } catch {
    return written
  }
}

function endOfNumber(text: string, begin: number): number {
  let end = begin + 1
  while (isInNumber(text.charCodeAt(end))) end += 1
  return end
}

/** A digit or a minus. */
function beginsNumber(code: number): boolean {
  return (code >= 48 && code <= 57) || code === 45
}

/** That, or one of + . E e */
function isInNumber(code: number): boolean {
  return beginsNumber(code) || code === 43 || code === 46 || code === 69 || code === 101
}

/** Whether JavaScript would write the same number, which is the nearest double in as few digits as tell it from others. */
function isKept(number: string): boolean {
  if (number.length <= DIGITS_KEPT && !/e/i.test(number)) return true
  return number.length <= LONGEST_NUMBER && decimalOf(number) === decimalOf(String(Number(number)))
}

const NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** The digits of a number and their power of ten, the same however it is written, but for its sign; undefined when it is none. */
function decimalOf(number: string): string | undefined {
  const [, whole, fraction = '', exponent = '0'] = NUMBER.exec(number) ?? []
  if (whole === undefined) return undefined
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = withoutLastZeros(digits)
  if (significant === '') return '0'
  return `${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/** An expression would look at a long row of zeros from each of them. */
function withoutLastZeros(digits: string): string {
  let end = digits.length
  while (digits[end - 1] === '0') end -= 1
  return digits.slice(0, end)
}

function quote(text: string): string {
  return text.length <= LONGEST_QUOTE ? text : `${text.slice(0, LONGEST_QUOTE).toWellFormed()}…`
}
