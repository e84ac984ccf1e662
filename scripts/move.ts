/** `npx library move FROM TO`: all that one database has to another, of whichever engines (docs/moving.md). */
import { type Config, ConfigRefused, loadConfig } from '../config.ts'
import { describeDatabase } from '../db/dialect.ts'
import { explain } from '../process/explain.ts'
import { Failure } from './client/failures.ts'
import { run, type Terminal } from './client/run.ts'
import { recordOperation } from './command-line/operation.ts'
import { UsageError } from './command-line/options.ts'
import { readCommandLine } from './command-line/read.ts'
import { byName, moveAll } from './move/move-all.ts'
import { reportOf, teller } from './move/report.ts'

const USAGE = `usage: npx library move FROM TO
  moves all that the database FROM has to the database TO, which must be empty: accounts, sessions, keys, authors and
  their history. Both are as in DATABASE_URL: a file path, a sqlite: URL or a postgres: URL. End the service first.
  FROM is only read. What was killed goes on where it was when it is run again.`

async function main(terminal: Terminal): Promise<number> {
  const { positionals } = readCommandLine({ begin: 'npx library move', options: {}, words: 2 })
  const [from, to, ...more] = positionals
  if (from === undefined || to === undefined || more.length > 0)
    throw new UsageError('FROM and TO must be named.')
  try {
    const begun = performance.now()
    const configs = { from: configFor('FROM', from), to: configFor('TO', to) }
    recordOperation('move', {
      from: describeDatabase(configs.from.DATABASE_URL),
      to: describeDatabase(configs.to.DATABASE_URL)
    })
    const moved = await moveAll(configs, { tell: tellerOf(terminal) })
    terminal.progress.clear()
    for (const line of reportOf(moved, (performance.now() - begun) / 1000)) console.log(line)
    return 0
  } catch (error) {
    const sentence = explain(error)
    throw sentence === undefined ? error : new Failure(sentence)
  }
}

function configFor(name: string, url: string): Config {
  try {
    return loadConfig({ ...process.env, DATABASE_URL: url }, { dotenv: true })
  } catch (error) {
    throw error instanceof ConfigRefused ? new ConfigRefused(byName(error, name)) : error
  }
}

/** Also where somebody ends the command: between two slices. */
function tellerOf({ signal, progress }: Terminal) {
  const tell = teller(progress, (line) => {
    progress.clear()
    console.log(line)
  })
  return (event: Parameters<typeof tell>[0]) => {
    signal.throwIfAborted()
    tell(event)
  }
}

await run(USAGE, main)
