/** The engines have rooms of their own, and nothing else knows one. */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { ROOT } from '../helpers.ts'

const ROOMS = /^(db\/(sqlite|postgres)|migrations|test|node_modules|\.tap|tools)\//
/** They choose between the engines, or say what both are. */
const DOORS = new Set(['db/dialect.ts', 'db/events.ts', 'db/prepare.ts'])
/** Locks files of whichever engine, and takes the library for that. */
const LOCK = 'db/file-lock.ts'
/** They look into databases from outside, as tests do. */
const HARNESSES =
  /^(bench\/|scripts\/(cluster|crash|migration|movetest)\/|scripts\/(fuzz|migrationtest|postgres-server)\.ts$)/

/** What only one engine says or is asked, or how somebody would tell which of them it is. */
const WORDS = [
  /better-sqlite3/,
  /from 'pg'|\bpg\.\w/,
  /\b(sqlite|postgres)\//,
  /isServer/,
  /\bpragma\b/i,
  /\b(sqlite|SQLITE|pg|PG)_\w/,
  /\bjson_?b?_(object|each|extract|set|array|group_\w+|build_\w+|agg|tree|patch)\b|\bjsonb\b/i,
  /\b(group_concat|string_agg|array_agg|unnest|to_tsvector|array_to_string|string_to_array)\b/i,
  /\b(fts[345]|rowid|autoincrement|tsvector|tsquery|serial|bigserial)\b/i,
  /\)\s*strict\b/i,
  /(?<!:)::\s*(text|int\w*|bigint|smallint|numeric|bool\w*|json\w*|regclass|date|time\w*|float\w*|\w+\[\])/i,
  /@@/,
  /\b(printf|instr|glob|unixepoch|julianday|strftime|ilike|nextval|setval|to_char|advisory\w*)\s*[('$]/i,
  /\binsert or (ignore|replace|abort|fail|rollback)\b|\bbegin (immediate|exclusive)\b/i,
  /\bfor (update|share|no key update)\b|\bskip locked\b/i,
  /\bcollate\b|\b(journal_mode|wal_checkpoint|busy_timeout|search_path|statement_timeout)\b/i,
  // But for the command of this name, and what it calls.
  /(?<!db |\|)\bvacuum\b(?!\(|\.ts)/i,
  /[!=]==\s*'(sqlite|postgres)|instanceof (Sqlite|Postgres)/
]

/** The code without its comments: what an engine does may be told anywhere. */
function codeOf(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/^\s*\/\/.*$/gm, '')
}

function findingsIn(file: string, code: string): string[] {
  return code.split('\n').flatMap((line, index) => {
    const word = WORDS.map((pattern) => pattern.exec(line)?.[0]).find((found) => found !== undefined)
    return word === undefined ? [] : [`${file}:${index + 1} knows an engine: ${word}`]
  })
}

t.test('no file outside the rooms of the engines knows one', async (t) => {
  const files = globSync('**/*.{ts,js}', {
    cwd: ROOT,
    exclude: (name) => /^(node_modules|\.tap|dist)$/.test(name)
  })
  const ours = files.map((file) => file.split(path.sep).join('/'))
  const outside = ours.filter(
    (file) => !ROOMS.test(file) && !DOORS.has(file) && file !== LOCK && !HARNESSES.test(file)
  )
  t.ok(outside.length > 200, `${outside.length} files`)
  t.strictSame(
    outside.flatMap((file) => findingsIn(file, codeOf(file))),
    []
  )
})

t.test('each way to know one is found', async (t) => {
  const ways = [
    "import Sqlite from 'better-sqlite3'",
    "import pg from 'pg'",
    "import { Connection } from '../db/postgres/connection.ts'",
    'if (isServer(config.DATABASE_URL)) return',
    "if (db.dialect === 'sqlite') return",
    'if (engine instanceof PostgresEngine) return',
    'sql`pragma table_info(authors)`',
    "sql`select json_object('id', id) from authors`",
    'sql`select number from authors, json_each(record)`',
    'sql`select jsonb_build_object(1)`',
    'sql`select group_concat(id) from authors`',
    'sql`select rowid from author_words`',
    'sql`create table x (id text) strict`',
    'sql`create virtual table words using fts5 (text)`',
    'sql`select pg_backend_pid()`',
    'sql`select name from sqlite_schema`',
    'sql`select id::text from authors`',
    'sql`where words @@ $1`',
    "sql`select printf('%d', 1)`",
    'sql`insert or ignore into users`',
    'sql`select id from authors for update`',
    'sql`order by name collate nocase`'
  ]
  for (const way of ways) t.equal(findingsIn('routes/x.ts', way).length, 1, way)
  const fine = ["'::ffff:127.0.0.1'", 'const strict = true', 'sql`select id from authors order by number`']
  for (const line of fine) t.strictSame(findingsIn('routes/x.ts', line), [], line)
})
