/** Where a text stops being JSON (RFC 8259), which no parser tells without showing some of the text. */

export interface JsonFault {
  /** In UTF-16 units; at its end for a text that ends too early. */
  at: number
  /** What could stand there. */
  expected: string
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// What is long is passed over by expressions: a loop of ours runs interpreted, for few texts are so long, and takes several times as long.
const SPACES = /[ \n\r\t]*/y
/** All that may stand in a string: no double quote, no control, and of backslashes the escapes. */
const CHARACTERS = /(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*/y
// Codes are compared where a text is long: characters take several times as long.
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const WORDS: Record<string, string> = { t: 'true', f: 'false', n: 'null' }
const A_VALUE = 'a value'
const A_NAME = 'a name in double quotes'

/** The first fault; undefined when there is none. It takes a time that is linear in the text, however deep that is. */
export function findJsonFault(text: string): JsonFault | undefined {
  return new Search(text).findFault()
}

/** What may come next. */
type Next = 'value' | 'item' | 'name' | 'member' | 'colon' | 'comma'

/** Of the brackets that may end the innermost list or object, and of what comes first in it. */
const OPENED: Record<string, { end: string; next: Next }> = {
  '[': { end: ']', next: 'item' },
  '{': { end: '}', next: 'member' }
}

class Search {
  readonly #text: string
  readonly #ends: string[] = []
  #at: number
  #next: Next = 'value'

  constructor(text: string) {
    this.#text = text
    // A byte order mark is passed over.
    this.#at = text.startsWith('\ufeff') ? 1 : 0
  }

  findFault(): JsonFault | undefined {
    for (;;) {
      this.#skipSpace()
      const isOver = this.#at >= this.#text.length
      if (isOver && this.#next === 'comma' && this.#ends.length === 0) return undefined
      const expected = isOver ? this.#nameOfNext() : this.#step()
      if (expected !== undefined) return { at: this.#at, expected }
    }
  }

  /** Passes over one token; gives what was expected where it is none that may come here. */
  #step(): string | undefined {
    const character = this.#text[this.#at] as string
    switch (this.#next) {
      case 'colon':
        return character === ':' ? this.#pass(1, 'value') : this.#nameOfNext()
      case 'comma':
        if (character === this.#ends.at(-1)) return this.#close()
        if (character !== ',' || this.#ends.length === 0) return this.#nameOfNext()
        return this.#pass(1, this.#ends.at(-1) === '}' ? 'name' : 'value')
      case 'name':
      case 'member':
        if (this.#next === 'member' && character === '}') return this.#close()
        return character === '"' ? this.#string('colon') : this.#nameOfNext()
      default:
        if (this.#next === 'item' && character === ']') return this.#close()
        return this.#value(character)
    }
  }

  #value(character: string): string | undefined {
    if (character === '"') return this.#string('comma')
    const opened = OPENED[character]
    if (opened !== undefined) {
      this.#ends.push(opened.end)
      return this.#pass(1, opened.next)
    }
    const word = WORDS[character]
    const length = word === undefined ? this.#lengthOf(NUMBER) : this.#lengthOfWord(word)
    return length > 0 ? this.#pass(length, 'comma') : this.#nameOfNext()
  }

  #string(next: Next): string | undefined {
    const at = this.#at + 1
    this.#at = at + this.#lengthOf(CHARACTERS, at)
    if (this.#at >= this.#text.length) return 'the double quote that ends the text'
    const code = this.#text.charCodeAt(this.#at)
    return code === QUOTE ? this.#pass(1, next) : faultInString(code)
  }

  #lengthOfWord(word: string): number {
    return this.#text.startsWith(word, this.#at) ? word.length : 0
  }

  #lengthOf(token: RegExp, at = this.#at): number {
    token.lastIndex = at
    return token.test(this.#text) ? token.lastIndex - at : 0
  }

  #close(): undefined {
    this.#ends.pop()
    return this.#pass(1, 'comma')
  }

  #pass(length: number, next: Next): undefined {
    this.#at += length
    this.#next = next
  }

  #skipSpace(): void {
    this.#at += this.#lengthOf(SPACES)
  }

  #nameOfNext(): string {
    const end = this.#ends.at(-1)
    switch (this.#next) {
      case 'colon':
        return '":"'
      case 'comma':
        return end === undefined ? 'the end of the text' : `"," or "${end}"`
      case 'name':
        return A_NAME
      case 'member':
        return `${A_NAME} or "}"`
      case 'item':
        return `${A_VALUE} or "]"`
      default:
        return A_VALUE
    }
  }
}

function faultInString(code: number): string {
  return code < SPACE
    ? 'an escape such as \\n in place of a control character'
    : 'an escape of JSON: \\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four digits'
}

/** Such as `line 2, column 5`: characters after a line break, the first being 1. `firstLine` is the number of the first line. */
export function placeOf(text: string, at: number, firstLine = 1): string {
  let [line, column, before] = [firstLine, 1, 0]
  for (let passed = 0; passed < at; passed += 1) {
    const code = text.charCodeAt(passed)
    if (code === LINE_FEED || code === CARRIAGE_RETURN) {
      if (code === CARRIAGE_RETURN || before !== CARRIAGE_RETURN) line += 1
      column = 1
    } else if (!isPair(before, code)) column += 1
    before = code
  }
  return `line ${line}, column ${column}`
}

/** The two halves of a character. */
function isPair(first: number, second: number): boolean {
  return (first & 0xfc00) === 0xd800 && (second & 0xfc00) === 0xdc00
}
