/** `npm run authors -- import FILE|export FILE`: authors in bulk, through the HTTP API. */
import { parseArgs } from 'node:util'
import { signIn } from './client/account.ts'
import { chooseFormat, chooseUrl, type Format, STDIO, UsageError } from './client/arguments.ts'
import { exportAuthors } from './client/exporting.ts'
import { type ImportOptions, importAuthors, openSource } from './client/importing.ts'
import { countOf, reportRefused, summarize } from './client/report.ts'
import { run, type Terminal } from './client/run.ts'

const USAGE = `usage: npm run authors -- import FILE [--partial] [--dry-run] [--format csv|ndjson] [--url URL]
       npm run authors -- export FILE [--format csv|ndjson] [--url URL]
  FILE       ends in .csv, .ndjson or .jsonl; or - for stdin or stdout, then with --format and as
             npm --silent run authors, for npm itself writes to stdout
  --partial  keeps the good rows when others are refused
  --dry-run  only tells what an import would do
  --url      the service, by default where "npm start" listens
Who you are comes from LIBRARY_TOKEN (an API key of POST /me/keys), or LIBRARY_USERNAME and LIBRARY_PASSWORD.`

interface Task extends ImportOptions {
  file: string
  format: Format
  url: string
}

const COMMANDS = { import: importFile, export: exportFile }

async function importFile(task: Task, { signal, progress }: Terminal): Promise<number> {
  const source = await openSource(task.file, task.format)
  const service = await signIn({ url: task.url, signal, headers: {} })
  const counts = await importAuthors(service, source, task, progress)
  progress.clear()
  reportRefused(counts, task)
  console.log(`${summarize(counts)}.`)
  return counts.refused > 0 ? 1 : 0
}

async function exportFile({ file, format, url }: Task, { signal, progress }: Terminal): Promise<number> {
  const service = await signIn({ url, signal, headers: {} })
  const rows = await exportAuthors(service, file, format, progress)
  progress.clear()
  if (file === STDIO) console.error(`${countOf(rows, 'author')} written to stdout.`)
  else console.log(`${countOf(rows, 'author')} written to ${file}.`)
  return 0
}

async function readArguments() {
  const { values, positionals } = parseOptions()
  const [command, file, ...others] = positionals
  if (command !== 'import' && command !== 'export') throw new UsageError('Say import or export.')
  if (file === undefined || others.length > 0) throw new UsageError('Name one file.')
  const { partial, 'dry-run': dryRun } = values
  if (command === 'export' && (partial || dryRun)) {
    throw new UsageError('--partial and --dry-run are for an import.')
  }
  const format = chooseFormat(file, values.format)
  const url = await chooseUrl(values.url)
  return { command: COMMANDS[command], task: { file, format, url, partial, dryRun } }
}

function parseOptions() {
  const options = {
    format: { type: 'string' },
    url: { type: 'string' },
    partial: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false }
  } as const
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

await run(USAGE, async (terminal) => {
  const { command, task } = await readArguments()
  return command(task, terminal)
})
