/** `npx library authors import FILE|export FILE`: authors in bulk, through the HTTP API. */
import { signIn } from './client/account.ts'
import { chooseFormat, chooseUrl, FORMAT, type Format, STDIO, URL_OPTION } from './client/arguments.ts'
import { exportAuthors } from './client/exporting.ts'
import { type ImportOptions, importAuthors, openSource, readableTwice } from './client/importing.ts'
import { RefusedFile } from './client/refused-file.ts'
import { countOf, reportRefused, summarize } from './client/report.ts'
import { run, type Terminal } from './client/run.ts'
import { UsageError } from './command-line/options.ts'
import { readCommandLine } from './command-line/read.ts'

const USAGE = `usage: npx library authors import FILE [--partial] [--dry-run] [--map COLUMNS] [--refused FILE]
                                        [--format csv|ndjson] [--url URL]
       npx library authors export FILE [--excel] [--format csv|ndjson] [--url URL]
  FILE       ends in .csv, .tsv, .txt, .ndjson or .jsonl; or - for stdin or stdout, then with --format
  --partial  keeps the good rows when others are refused
  --dry-run  only tells what an import would do
  --map      what the columns of a CSV file stand for: "Autor=name,Land=country,Regal=" leaves Regal out
  --refused  writes all rows that are refused to a new file, each with its line and the reason
  --excel    writes CSV that a spreadsheet opens as UTF-8 by a double click
  --url      the service, by default where "npx library start" listens
Who you are comes from LIBRARY_TOKEN (an API key of POST /me/keys), or LIBRARY_USERNAME and LIBRARY_PASSWORD.
With npm, "--" comes first: npm --silent run authors -- import FILE --dry-run`

const OPTIONS = {
  partial: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  excel: { type: 'boolean', default: false },
  map: { type: 'string', placeholder: 'COLUMNS', looksLike: /=/ },
  refused: { type: 'string', placeholder: 'FILE' },
  format: FORMAT,
  url: URL_OPTION
} as const

interface Task extends ImportOptions {
  file: string
  format: Format
  url: string
  excel: boolean
  /** The file for the rows that are refused. */
  refusedTo: string | undefined
}

const COMMANDS = { import: importFile, export: exportFile }
type CommandName = keyof typeof COMMANDS

/** Which options only one of the commands has. */
const OWN: Record<CommandName, (keyof typeof OPTIONS)[]> = {
  import: ['partial', 'dry-run', 'map', 'refused'],
  export: ['excel']
}

async function importFile(task: Task, { signal, progress }: Terminal): Promise<number> {
  const { file, format, refusedTo } = task
  const source = await openSource(file, format)
  if (refusedTo === undefined) return importFrom(source, task, { signal, progress })
  const whole = await readableTwice(source)
  const refused = await RefusedFile.open(refusedTo, whole)
  try {
    return await importFrom(whole, task, { signal, progress }, refused)
  } finally {
    await refused.close()
    await whole.discard()
  }
}

async function importFrom(
  source: Awaited<ReturnType<typeof openSource>>,
  task: Task,
  { signal, progress }: Terminal,
  refused?: RefusedFile
): Promise<number> {
  const service = await signIn({ url: task.url, signal, headers: {} })
  const counts = await importAuthors(service, source, { ...task, refused }, progress)
  progress.clear()
  reportRefused(counts, task)
  if (refused !== undefined) await refused.keep(counts.refused, task)
  console.log(`${summarize(counts)}.`)
  return counts.refused > 0 ? 1 : 0
}

async function exportFile(task: Task, { signal, progress }: Terminal): Promise<number> {
  const { file, url } = task
  const service = await signIn({ url, signal, headers: {} })
  const rows = await exportAuthors(service, file, task, progress)
  progress.clear()
  if (file === STDIO) console.error(`${countOf(rows, 'author')} written to stdout.`)
  else console.log(`${countOf(rows, 'author')} written to ${file}.`)
  return 0
}

async function readArguments() {
  const { values, positionals } = readCommandLine({
    begin: 'npx library authors',
    options: OPTIONS,
    words: 2
  })
  const [command, file, ...others] = positionals
  if (command !== 'import' && command !== 'export') throw new UsageError('Say import or export.')
  if (file === undefined || others.length > 0) throw new UsageError('Name one file.')
  const other = command === 'import' ? 'export' : 'import'
  const wrong = OWN[other].find((name) => values[name])
  if (wrong !== undefined) throw new UsageError(`--${wrong} is for an ${other}.`)
  const { partial, 'dry-run': dryRun, excel, map, refused: refusedTo } = values
  if (refusedTo === STDIO || refusedTo === '') throw new UsageError('--refused takes the name of a file.')
  const format = chooseFormat(file, values.format, command)
  if (format === 'ndjson' && (excel || map !== undefined)) {
    throw new UsageError(`${excel ? '--excel' : '--map'} is for CSV.`)
  }
  const url = await chooseUrl(values.url)
  return { command: COMMANDS[command], task: { file, format, url, partial, dryRun, excel, map, refusedTo } }
}

await run(USAGE, async (terminal) => {
  const { command, task } = await readArguments()
  return command(task, terminal)
})
