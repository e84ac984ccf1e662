/** What the commands on backups have in common. */
import path from 'node:path'
import { type Config, loadConfig } from '../../config.ts'
import type { Progress, Tell } from '../../db/backups/index.ts'
import { backupFolderOf } from '../../db/backups/settings.ts'
import { explain } from '../../process/explain.ts'
import { Failure } from '../client/failures.ts'
import { run, type Terminal } from '../client/run.ts'
import { recordOperation } from '../command-line/operation.ts'
import { type Options, UsageError } from '../command-line/options.ts'
import { readCommandLine } from '../command-line/read.ts'

const MEGABYTE = 1_000_000
const SAY_EVERY_MS = 3000

interface Work {
  config: Config
  words: string[]
  values: Record<string, unknown>
  terminal: Terminal
}

/** Runs a command with at most one word, and says in a sentence what is wrong. */
export async function runOnBackups(
  usage: string,
  { begin, options = {} }: { begin: string; options?: Options },
  work: (given: Work) => Promise<number>
): Promise<void> {
  await run(usage, async (terminal) => {
    const { positionals: words, values } = readCommandLine({ begin, options, words: 1 })
    if (words.length > 1) throw new UsageError('Only one folder can be named.')
    const [folder] = words
    recordOperation(
      begin.replace('npx library ', ''),
      folder === undefined ? {} : { folder: path.resolve(folder) }
    )
    let databaseUrl: string | undefined
    try {
      const config = loadConfig(process.env, { dotenv: true })
      databaseUrl = config.DATABASE_URL
      return await work({ config, words, values, terminal })
    } catch (error) {
      const sentence = explain(error, databaseUrl === undefined ? {} : { databaseUrl })
      throw sentence === undefined ? error : new Failure(sentence)
    }
  })
}

/** The folder that was named, as the shell means it, or that of the service. */
export function backupFolder(word: string | undefined, config: Config): string {
  if (word !== undefined) return path.resolve(word)
  if (config.BACKUP_DIR !== '') return backupFolderOf(config)
  throw new UsageError('Name a folder, or set BACKUP_DIR.')
}

/** Tells how far a command is: by a bar in a terminal, elsewhere in lines, some seconds apart. Ends it where somebody wants that. */
export function tellerOf({ signal, progress }: Terminal): Tell {
  let [step, saidAt] = ['', 0]
  return (news: Progress) => {
    signal.throwIfAborted()
    progress.show({ ...news, label: news.step })
    const now = performance.now()
    if (progress.isVisible || (step === news.step && now - saidAt < SAY_EVERY_MS)) return
    ;[step, saidAt] = [news.step, now]
    console.log(`${news.step}: ${Math.floor((100 * news.done) / Math.max(news.total, 1))} %`)
  }
}

/** What is in a backup, for people. */
export function summaryOf(manifest: {
  counts: Record<string, number>
  made_at: string
  version: string
}): string {
  const { counts, made_at: at, version } = manifest
  const [authors, users] = [plural(counts.authors, 'author'), plural(counts.users, 'user')]
  return `${authors} and ${users} as of ${at}, by version ${version}`
}

function plural(count = 0, word: string): string {
  return `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`
}

export function sizeText(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`
}
