import { parseArgs } from 'node:util'
import { refuseKeptOptions } from './kept-options.ts'
import { type CommandLine, type Options, UsageError } from './options.ts'

/** The options and the other words of a command. Throws `UsageError`, and `KeptOptions` when npm has kept some for itself. */
export function readCommandLine<const O extends Options>(line: CommandLine<O>) {
  const { options, args = process.argv.slice(2) } = line
  refuseKeptOptions(line)
  try {
    return parseArgs({ options, args: [...args], allowPositionals: true, allowNegative: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

const HELP = ['--help', '-h']

/** Whether the command is only to tell how it is used. */
export function asksForHelp(args: readonly string[] = process.argv.slice(2)): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some((arg) => HELP.includes(arg))
}

/** Tells how the command is used, and ends the process, when that is asked for. */
export function helpIfAsked(usage: string): void {
  if (!asksForHelp()) return
  console.log(usage)
  process.exit(0)
}
