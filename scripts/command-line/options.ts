/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError'
}

/** An option of a command, as `parseArgs` takes it. */
export interface Option {
  type: 'string' | 'boolean'
  multiple?: boolean
  default?: string | boolean | string[]
  /** What stands for its value in a text. */
  placeholder?: string
  /** By which its value is known among other words. */
  looksLike?: RegExp
}

export type Options = Record<string, Option>

export interface CommandLine<O extends Options> {
  /** How the line begins that runs the command. */
  begin: string
  options: O
  /** How many words there may be beside the options. */
  words: number
  args?: readonly string[]
}

/** What a number looks like. */
export const NUMBER = /^\d+$/
