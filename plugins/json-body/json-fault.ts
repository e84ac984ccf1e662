/** Where a text stops being JSON (RFC 8259), which no parser tells without showing some of the text. */

export interface JsonFault {
  /** In UTF-16 units; at its end for a text that ends too early. */
  at: number
  /** What could stand there. */
  expected: string
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y
const WORDS = ['true', 'false', 'null']
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
    const word = WORDS.find((candidate) => this.#text.startsWith(candidate, this.#at))
    const length = word?.length ?? this.#lengthOf(NUMBER)
    return length > 0 ? this.#pass(length, 'comma') : this.#nameOfNext()
  }

  #string(next: Next): string | undefined {
    this.#at += 1
    for (let character = this.#text[this.#at]; character !== '"'; character = this.#text[this.#at]) {
      if (character === undefined) return 'the double quote that ends the text'
      if (character < ' ') return 'an escape such as \\n in place of a control character'
      const length = character === '\\' ? this.#lengthOf(ESCAPE) : 1
      if (length === 0) return 'an escape of JSON: \\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four digits'
      this.#at += length
    }
    return this.#pass(1, next)
  }

  #lengthOf(token: RegExp): number {
    token.lastIndex = this.#at
    return token.exec(this.#text)?.[0].length ?? 0
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
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1
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

/** Such as `line 2, column 5`: characters after a line break, the first being 1. `firstLine` is the number of the first line. */
export function placeOf(text: string, at: number, firstLine = 1): string {
  const lines = text.slice(0, at).split(/\r\n|\r|\n/)
  const column = [...(lines.at(-1) as string)].length + 1
  return `line ${firstLine + lines.length - 1}, column ${column}`
}
