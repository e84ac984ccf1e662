import { parseArgs } from 'node:util'
import { type CommandLine, type Option, type Options, UsageError } from './options.ts'
import { quoteWord } from './quoting.ts'

/** That npm has kept options for itself; the message has the line that does what was meant. */
export class KeptOptions extends UsageError {}

/**
 * npm takes the options after `npm run x` for its own, unless `--` stands before them, and only leaves variables of them: without a
 * `--dry-run` that it has kept, an import would write. Throws `KeptOptions`.
 */
export function refuseKeptOptions<O extends Options>(line: CommandLine<O>): void {
  if (process.env.npm_command === undefined) return
  const { begin, options, args = process.argv.slice(2) } = line
  const absent = Object.entries(options).filter(([name]) => !isGiven(name, args))
  const kept = absent.filter(([name]) => keptValue(name) !== undefined)
  const others = absent.filter(([name]) => keptValue(name) === undefined)
  const words = new StrayWords(line)
  const lost = [
    ...kept.map(([name, option]) => write(name, option, meantValue(name, option, words))),
    ...others.flatMap(([name, option]) => {
      const value = option.looksLike && words.takeSurplus(option.looksLike)
      return value === undefined ? [] : write(name, option, value)
    })
  ]
  if (lost.length === 0) return
  const names = lost.map((text) => text.split(' ', 1)[0]).join(', ')
  const meant = [begin, ...words.rest.map(quoteWord), ...lost].join(' ')
  throw new KeptOptions(`npm has kept ${names} for itself, so nothing was done. Write: ${meant}`)
}

function isGiven(name: string, args: readonly string[]): boolean {
  return args.some((arg) => [`--${name}`, `--no-${name}`].includes(arg.split('=', 1)[0] as string))
}

/** npm writes names in its own way, and leaves a variable empty for what is not set. */
function keptValue(name: string): string | undefined {
  const variable = bareName(`npm_config_${name}`)
  const [, value] = Object.entries(process.env).find(([key]) => bareName(key) === variable) ?? []
  return value || undefined
}

function bareName(name: string): string {
  return name.replaceAll(/[-_]/g, '').toLowerCase()
}

/** After a space npm leaves the value among the other words. */
function meantValue(name: string, { type, looksLike, placeholder }: Option, words: StrayWords): string {
  const value = keptValue(name) as string
  if (type === 'boolean' || value !== 'true') return value
  return words.take(looksLike) ?? placeholder ?? 'VALUE'
}

/** The words of a command line, of which some may be values that have lost their options. */
class StrayWords {
  readonly rest: string[]
  readonly #positionals: string[]
  readonly #most: number

  constructor({ options, words, args = process.argv.slice(2) }: CommandLine<Options>) {
    const { values, positionals } = parseArgs({
      options,
      args: [...args],
      strict: false,
      allowPositionals: true
    })
    this.rest = [...args]
    this.#positionals = positionals
    // The value of an option that is misspelt would be among them.
    const isKnown = Object.keys(values).every((name) => name in options)
    this.#most = isKnown ? words : Number.POSITIVE_INFINITY
  }

  /** The last word that looks so; without a look never the first, which says what to do. */
  take(looksLike?: RegExp): string | undefined {
    const index = this.#positionals.findLastIndex((word, at) => looksLike?.test(word) ?? at > 0)
    if (index === -1) return undefined
    const [word] = this.#positionals.splice(index, 1) as [string]
    this.rest.splice(this.rest.lastIndexOf(word), 1)
    return word
  }

  /** Some options npm takes for others of its own, so that the value is all that is left of them, as of `--format csv` and `--map a=b`. */
  takeSurplus(looksLike: RegExp): string | undefined {
    return this.#positionals.length > this.#most ? this.take(looksLike) : undefined
  }
}

function write(name: string, { type }: Option, value: string): string {
  return type === 'boolean' ? `--${name}` : `--${name} ${quoteWord(value)}`
}
