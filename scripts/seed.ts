/** `npx library seed [FILE] [--url URL]`: imports authors, by default the winners of the Booker Prize, as `npx library authors` does. */
import path from 'node:path'
import { register, signIn } from './client/account.ts'
import { chooseUrl, formatOf, URL_OPTION } from './client/arguments.ts'
import type { Service } from './client/http.ts'
import { importAuthors, openSource } from './client/importing.ts'
import { reportRefused, summarize } from './client/report.ts'
import { run, type Terminal } from './client/run.ts'
import { UsageError } from './command-line/options.ts'
import { readCommandLine } from './command-line/read.ts'
import { findSeedAccount, keepSeedAccount } from './seed-account.ts'

const USAGE = `usage: npx library seed [FILE] [--url URL]
  FILE   authors as for "npx library authors import", by default the winners of the Booker Prize
  --url  the service, by default where "npx library start" listens
Without LIBRARY_TOKEN, or LIBRARY_USERNAME and LIBRARY_PASSWORD, it registers an account and tells its password.`
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
  const known = await findSeedAccount(service)
  if (known !== undefined) {
    console.log(
      `No account was made: ${known.username} is that of an earlier run, with the password ${known.password}`
    )
    return known
  }
  const account = await register(service)
  keepSeedAccount(service, account)
  console.log(`Registered ${account.username} with the password ${account.password}`)
  return account
}

async function readArguments() {
  const { values, positionals } = readCommandLine({
    begin: 'npx library seed',
    options: { url: URL_OPTION },
    words: 1
  })
  if (positionals.length > 1) throw new UsageError('One file at a time.')
  return { file: positionals[0] ?? SAMPLE, url: await chooseUrl(values.url) }
}

await run(USAGE, seed)
