import { createHash, type Hash } from 'node:crypto'
import type { Tell } from './events.ts'
import type { Layout } from './layout.ts'
import type { MoveSide, Row } from './side.ts'
import { countRows, type Key, keyOf, readSlice, SliceSize } from './slices.ts'
import { MOVED_TABLES, type MovedTable } from './tables.ts'

/** A table that is the same on both sides. */
export interface Compared {
  table: string
  rows: number
  /** SHA-256 over all rows in the order of their keys. */
  checksum: string
}

/** Where the rows of a table are not the same on both sides. */
export class Different extends Error {}

interface Options {
  source: MoveSide
  target: MoveSide
  layout: Layout
  tell: Tell
}

/** Compares counts, then all rows in the order of their keys, each side read by itself. Throws `Different`. */
export async function compareAll(options: Options): Promise<Compared[]> {
  const counts = new Map<string, number>()
  for (const table of MOVED_TABLES) counts.set(table.name, await compareCounts(table, options))
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  let done = 0
  const compared: Compared[] = []
  for (const table of MOVED_TABLES) {
    const checksum = await compareRows(table, options, (rows) => {
      done += rows
      options.tell({ event: 'comparing', done, total })
    })
    compared.push({ table: table.name, rows: counts.get(table.name) as number, checksum })
  }
  return compared
}

async function compareCounts(table: MovedTable, { source, target }: Options): Promise<number> {
  const [from, to] = [await countRows(source.db, table), await countRows(target.db, table)]
  if (from !== to)
    throw new Different(`${table.name} has ${from} rows in ${source.place}, and ${to} in ${target.place}`)
  return from
}

async function compareRows(
  table: MovedTable,
  { source, target, layout }: Options,
  whenCompared: (rows: number) => void
): Promise<string> {
  const columns = layout.compared(table)
  const [fromHash, toHash] = [createHash('sha256'), createHash('sha256')]
  const size = new SliceSize()
  for (let after: Key | undefined; ; ) {
    const span = { columns, after, limit: size.rows }
    const [from, to] = await Promise.all([
      readSlice(source.db, table, span),
      readSlice(target.db, table, span)
    ])
    add(fromHash, from, columns)
    add(toHash, to, columns)
    if (!areSame(fromHash, toHash)) throw new Different(describe(table, columns, from, to))
    if (from.length === 0) return fromHash.digest('hex')
    whenCompared(from.length)
    after = keyOf(table, from.at(-1) as Row)
    size.adapt(from)
  }
}

function add(hash: Hash, rows: readonly Row[], columns: readonly string[]): void {
  hash.update(rows.map((row) => `${textOf(row, columns)}\n`).join(''))
}

function textOf(row: Row | undefined, columns: readonly string[]): string {
  return JSON.stringify(columns.map((column) => row?.[column]))
}

function areSame(one: Hash, other: Hash): boolean {
  return one.copy().digest('hex') === other.copy().digest('hex')
}

function describe(table: MovedTable, columns: readonly string[], from: Row[], to: Row[]): string {
  const index = from.findIndex((row, index) => textOf(row, columns) !== textOf(to[index], columns))
  const row = (from[index] ?? to[from.length]) as Row
  const differing = columns.filter((column) => from[index]?.[column] !== to[index]?.[column])
  return `the row of ${table.name} with ${table.key.map((name) => `${name} ${row[name]}`).join(', ')} differs in ${differing.join(', ')}`
}
