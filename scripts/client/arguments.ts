import { CSV, NDJSON } from '../../schemas/transfers.ts'
import { UsageError } from '../command-line/options.ts'

export type Format = 'csv' | 'ndjson'

export const MEDIA_TYPES: Record<Format, string> = { csv: CSV, ndjson: NDJSON }

/** What stands for stdin or stdout in place of a file. */
export const STDIO = '-'

export const FORMAT = { type: 'string', looksLike: /^(csv|ndjson)$/i } as const
export const URL_OPTION = { type: 'string', placeholder: 'URL', looksLike: /^https?:/i } as const

type Direction = 'import' | 'export'

const ENDINGS: Record<Direction, [RegExp, Format][]> = {
  import: [
    [/\.(csv|tsv|tab|txt)$/i, 'csv'],
    [/\.(ndjson|jsonl)$/i, 'ndjson']
  ],
  // It is divided by commas, which a file of these names does not promise.
  export: [
    [/\.csv$/i, 'csv'],
    [/\.(ndjson|jsonl)$/i, 'ndjson']
  ]
}
const LISTED = { import: '.csv, .tsv, .txt, .ndjson, .jsonl', export: '.csv, .ndjson, .jsonl' }

/** The format of a file by its name. */
export function formatOf(file: string, direction: Direction = 'import'): Format | undefined {
  return ENDINGS[direction].find(([ending]) => ending.test(file))?.[1]
}

/** The format that `--format` names, otherwise that of the file's ending. Throws `UsageError`. */
export function chooseFormat(file: string, named: string | undefined, direction: Direction): Format {
  const format = named ?? formatOf(file, direction)
  if (format === 'csv' || format === 'ndjson') return format
  if (named !== undefined) throw new UsageError(`--format is csv or ndjson, not ${named}.`)
  const reason = file === STDIO ? 'stdin and stdout have' : `${file} has`
  throw new UsageError(
    `${reason} no ending that tells the format (${LISTED[direction]}): say --format csv or --format ndjson.`
  )
}

/** The address of the service without a slash at its end: the one given, otherwise where `npx library start` listens. Throws `UsageError`. */
export async function chooseUrl(given: string | undefined): Promise<string> {
  const url = URL.parse(given ?? (await defaultUrl()))
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError('--url takes an address such as http://127.0.0.1:3000.')
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError('--url takes no password: set LIBRARY_USERNAME and LIBRARY_PASSWORD.')
  }
  return (url.origin + url.pathname).replace(/\/+$/, '')
}

async function defaultUrl(): Promise<string> {
  // It takes its time to load, and is not needed with --url.
  const { ConfigRefused, loadConfig } = await import('../../config.ts')
  try {
    const { HOST, PORT } = loadConfig(process.env, { dotenv: true })
    const host = HOST.replace(/^0\.0\.0\.0$/, '127.0.0.1').replace(/^::$/, '::1')
    return `http://${host.includes(':') ? `[${host}]` : host}:${PORT}`
  } catch (error) {
    throw error instanceof ConfigRefused ? new UsageError(error.message) : error
  }
}
