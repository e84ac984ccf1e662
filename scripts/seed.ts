/** `npm run seed [-- FILE] [--url URL]`: imports authors, by default the winners of the Booker Prize, as `npm run authors` does. */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { register, signIn } from './client/account.ts'
import { chooseUrl, formatOf, UsageError } from './client/arguments.ts'
import type { Service } from './client/http.ts'
import { importAuthors, openSource } from './client/importing.ts'
import { reportRefused, summarize } from './client/report.ts'
import { run, type Terminal } from './client/run.ts'

const USAGE = 'usage: npm run seed [-- FILE] [--url URL]'
const SAMPLE = path.join(import.meta.dirname, '../data-samples/booker-winners.csv')
/** A winner whom somebody has added in another way already does not keep out the others. */
const OPTIONS = { partial: true, dryRun: false }

async function seed({ signal, progress }: Terminal): Promise<number> {
  const { file, url } = await readArguments()
  const source = await openSource(file, formatOf(file) ?? 'csv')
  const service = await signIn({ url, signal, headers: {} }, registerAndTell)
  const counts = await importAuthors(service, source, OPTIONS, progress)
  progress.clear()
  reportRefused(counts, OPTIONS)
  console.log(`${summarize(counts)}. See ${url}/docs`)
  return counts.refused > 0 ? 1 : 0
}

async function registerAndTell(service: Service) {
  const account = await register(service)
  console.log(`Registered ${account.username} with the password ${account.password}`)
  return account
}

async function readArguments() {
  try {
    const options = { url: { type: 'string' } } as const
    const { values, positionals } = parseArgs({ options, allowPositionals: true })
    if (positionals.length > 1) throw new UsageError('One file at a time.')
    return { file: positionals[0] ?? SAMPLE, url: await chooseUrl(values.url) }
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

await run(USAGE, seed)
