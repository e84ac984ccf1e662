import { constants } from 'node:os'
import { KeptOptions } from '../command-line/kept-options.ts'
import { UsageError } from '../command-line/options.ts'
import { helpIfAsked } from '../command-line/read.ts'
import { Failure } from './failures.ts'
import { ProgressBar } from './progress.ts'
import { ClosedPipe } from './targets.ts'

/** What a command works with. */
export interface Terminal {
  /** Aborted when somebody ends the command. */
  signal: AbortSignal
  progress: ProgressBar
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const [FAILED, MISUSED, KILLED] = [1, 2, 128]

/** Runs the command, which gives the exit code of the process; what it throws is told on stderr. */
export async function run(usage: string, command: (terminal: Terminal) => Promise<number>): Promise<void> {
  helpIfAsked(usage)
  const { signal, progress } = openTerminal()
  try {
    process.exitCode = await command({ signal, progress })
  } catch (error) {
    progress.clear()
    tell(error, usage, signal)
    process.exitCode = codeOf(error, signal)
  } finally {
    progress.clear()
  }
}

function openTerminal(): Terminal {
  const interruption = new AbortController()
  for (const name of SIGNALS) process.on(name, () => interruption.abort(name))
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  return { signal: interruption.signal, progress: new ProgressBar(process.stderr) }
}

function tell(error: unknown, usage: string, { aborted }: AbortSignal): void {
  if (error instanceof ClosedPipe) return
  if (error instanceof KeptOptions) console.error(error.message)
  else if (error instanceof UsageError) console.error(`${error.message}\n${usage}`)
  else if (error instanceof Failure) console.error(error.message)
  else console.error(aborted ? 'Interrupted.' : error)
}

function codeOf(error: unknown, { aborted, reason }: AbortSignal): number {
  if (error instanceof ClosedPipe) return 0
  if (aborted) return KILLED + constants.signals[reason as (typeof SIGNALS)[number]]
  return error instanceof UsageError ? MISUSED : FAILED
}
