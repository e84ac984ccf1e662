import closeWithGrace from 'close-with-grace'
import type { FastifyBaseLogger } from 'fastify'
import { flushLog } from './log-output.ts'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
/** npm passes on a Ctrl+C that the terminal has sent to all of its processes already. */
const SAME_SIGNAL_MS = 1000

/** Signals that do not mean the end. */
export type Skipped = ('SIGINT' | 'SIGTERM' | 'SIGHUP')[]

interface Options {
  log: FastifyBaseLogger
  /** For as long as that, `end` may take. */
  milliseconds: number
  skip: Skipped
}

/**
 * Ends the process at a signal or an unexpected failure, once `end` has resolved; at a second signal at once. Gives what ends it
 * without one.
 */
export function endWithGrace({ log, milliseconds, skip }: Options, end: () => Promise<void>): () => void {
  const own = SIGNALS.filter((signal) => !skip.includes(signal))
  const { close } = closeWithGrace(
    { delay: milliseconds, logger: log, skip: [...skip, ...own] },
    async ({ err }) => {
      if (err) log.fatal({ err }, 'unexpected failure')
      await end()
      await flushLog()
    }
  )
  let began: number | undefined
  for (const signal of own) {
    process.on(signal, () => {
      if (began === undefined) close()
      else if (performance.now() - began > SAME_SIGNAL_MS) {
        log.error(`second ${signal}: the process ends at once`)
        process.exit(1)
      }
      began ??= performance.now()
    })
  }
  return close
}
