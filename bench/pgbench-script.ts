/** What the service sends to PostgreSQL, as a script of pgbench (https://www.postgresql.org/docs/current/pgbench.html). */
import type { Sent } from './counting-service.ts'

/** Texts and numbers that are others in each transaction, and what stands for them in SQL. */
export type Replacements = { texts: [text: string, sql: string][]; numbers: [number: number, sql: string][] }

/** Each statement as a line; those that were sent together go in one round trip here too. */
export function toScript(sent: readonly Sent[], replacements: Replacements): string {
  const groups: string[][] = []
  for (const statement of sent) {
    if (!statement.isTogether) groups.push([])
    groups.at(-1)?.push(toStatement(statement, replacements))
  }
  return groups.map(toGroup).join('')
}

function toGroup(statements: string[]): string {
  if (statements.length === 1) return `${statements[0]};\n`
  return `\\startpipeline\n${statements.map((statement) => `${statement};\n`).join('')}\\endpipeline\n`
}

function toStatement({ sql, parameters }: Sent, replacements: Replacements): string {
  const filled = sql.replaceAll(/\$(\d+)/g, (_, index) => toSql(parameters[Number(index) - 1], replacements))
  return filled.trim()
}

function toSql(value: unknown, { texts, numbers }: Replacements): string {
  if (typeof value === 'number') return numbers.find(([number]) => number === value)?.[1] ?? String(value)
  if (typeof value === 'string') return `(${joined(value, texts)})`
  if (value === null) return 'null'
  throw new TypeError(`pgbench cannot send ${JSON.stringify(value)}`)
}

function joined(value: string, [first, ...rest]: Replacements['texts']): string {
  if (first === undefined) return quoted(value)
  const [text, sql] = first
  const parts = value.split(text).map((part) => (part === '' ? [] : [joined(part, rest)]))
  return parts.flatMap((part, index) => (index === 0 ? part : [sql, ...part])).join(' || ') || "''"
}

/** pgbench takes a colon in a text for the beginning of a variable. */
function quoted(text: string): string {
  const escapes: Record<string, string> = { '\\': '\\\\', "'": "\\'", ':': '\\x3a', '\n': '\\n' }
  return `E'${text.replaceAll(/[\\':\n]/g, (character) => escapes[character] as string)}'`
}
