import { type Static, Type } from '@sinclair/typebox'
import type { FieldError as AnyFieldError } from './errors.ts'
import { FieldError, ImportReason as Reason } from './problems.ts'
import { Ref } from './ref.ts'

export const CSV = 'text/csv'
export const NDJSON = 'application/x-ndjson'
/** What programs call these two; what comes first is what we call it. */
export const CSV_TYPES = [CSV, 'application/csv', 'application/vnd.ms-excel', 'text/tab-separated-values']
export const NDJSON_TYPES = [
  NDJSON,
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
  'application/jsonlines'
]

/** The columns of a file of authors, in their order; only the first must be there. */
export const COLUMNS = [
  'name',
  'book',
  'country',
  'booker_prize',
  'birth_year',
  'death_year',
  'viaf',
  'isni',
  'wikidata',
  'openlibrary',
  'sort_name',
  'note'
] as const
export const REQUIRED_COLUMNS = COLUMNS.slice(0, 1)

export const AuthorsCsv = Type.String({
  $id: 'AuthorsCsv',
  maxLength: 1_000_000_000_000,
  description: `Authors as CSV (RFC 4180) with the columns ${COLUMNS.join(', ')}. Only name must be there. An empty cell is null, an empty note is \`""\`. An import also takes semicolons, tabs or \`|\` between cells, and what spreadsheets write for booleans and years. Before what a spreadsheet would take for a formula, at the beginning of a text or after a semicolon, tab or line break in it, stands an apostrophe, which an import takes away.`,
  examples: ['name,book,country,booker_prize\r\nAmos Tutuola,The Palm-Wine Drinkard,Nigeria,false\r\n']
})

export const AuthorsNdjson = Type.String({
  $id: 'AuthorsNdjson',
  maxLength: 1_000_000_000_000,
  description: 'Authors as NDJSON: in each line one, as POST /authors takes it.',
  examples: [`{"name":"Amos Tutuola","book":"The Palm-Wine Drinkard","country":"Nigeria"}\n`]
})

const Count = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })

export const ImportQuery = Type.Object(
  {
    mode: Type.Optional(
      Type.Unsafe<'all' | 'partial'>({
        type: 'string',
        enum: ['all', 'partial'],
        default: 'all',
        description: '`all`: every row or none. `partial`: the good rows, a few hundred at a time.'
      })
    ),
    dry_run: Type.Optional(
      Type.Boolean({ default: false, description: '`true`: only tells what an import would do.' })
    ),
    map: Type.Optional(
      Type.String({
        maxLength: 4000,
        description:
          'Of CSV: which columns have other names there. `Autor=name,Land=country,Regal=` takes the column Autor for the name and Land for the country, and leaves Regal out. Case does not count. A column that is neither known nor named here is refused.',
        examples: ['Autor=name,Land=country,Regal=']
      })
    ),
    refused: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          '`true`: all rows that are refused are told in events `refused` before the result; for `Accept: text/event-stream`.'
      })
    )
  },
  { additionalProperties: false }
)

export type ImportQuery = Static<typeof ImportQuery>

export const ExportQuery = Type.Object(
  {
    bom: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          '`true`: CSV begins with a byte order mark, by which a spreadsheet knows that it is UTF-8. An import takes it too.'
      })
    ),
    receipt: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          '`true`: a whole file ends with one more line, `{"rows":54,"sha256":"..."}`: the number of authors, and the SHA-256 of all bytes before that line in hexadecimal digits. It tells that the file is whole also behind a proxy that drops trailer fields. It is no author: take it away before an import.'
      })
    )
  },
  { additionalProperties: false }
)

export type ExportQuery = Static<typeof ExportQuery>

export const ImportEvents = Type.String({
  $id: 'ImportEvents',
  maxLength: 1_000_000_000,
  description:
    'Server-sent events: `progress` with the `bytes` that have come or the `rows` that were looked at, with `?refused=true` then `refused` with a list of `line`, `pointer` and `detail` in the order of the lines, at last `result` with what became of the rows, or `problem` with a problem document.',
  examples: ['event: progress\ndata: {"rows":20000}\n\n']
})

export const ImportResult = Type.Object(
  {
    created: Count('How many authors were created, or with `dry_run` would be.'),
    unchanged: Count('How many rows were there already, just so.'),
    refused: Count('How many rows cannot be imported.'),
    dry_run: Type.Boolean({ description: 'Whether it was only tried.' }),
    reasons: Type.Array(Ref(Reason), {
      maxItems: 50,
      description: 'Why rows were refused, each reason once, the most frequent first.'
    }),
    errors: Type.Array(FieldError, {
      maxItems: 100,
      description: 'What is wrong with the refused rows, in the order of their lines (the first 100).'
    })
  },
  {
    $id: 'ImportResult',
    description: 'What became of the rows of an import.',
    examples: [{ created: 54, unchanged: 0, refused: 0, dry_run: false, reasons: [], errors: [] }]
  }
)

export type ImportReason = Static<typeof Reason> & { example: RefusedRow }

/** What is wrong with a row of a file. */
export type RefusedRow = AnyFieldError & { line: number }
