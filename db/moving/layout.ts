import { DatabaseRefused } from '../refusals.ts'
import type { Column, MoveSide } from './side.ts'
import { MOVED_TABLES, type MovedTable } from './tables.ts'

/** Which columns the tables of both sides have. */
export class Layout {
  readonly #written: ReadonlyMap<string, string[]>
  readonly #compared: ReadonlyMap<string, string[]>

  private constructor(written: Map<string, string[]>, compared: Map<string, string[]>) {
    this.#written = written
    this.#compared = compared
  }

  /** Throws `DatabaseRefused` when a row of the source could not be written to the target as it is. */
  static async of(source: MoveSide, target: MoveSide): Promise<Layout> {
    const [written, compared] = [new Map<string, string[]>(), new Map<string, string[]>()]
    for (const { name } of MOVED_TABLES) {
      const [from, to] = [await source.columnsOf(name), await target.columnsOf(name)]
      const own = writtenOf(from)
      if (own.toSorted().join() !== writtenOf(to).toSorted().join())
        throw new DatabaseRefused(
          `The table ${name} has other columns in ${target.place} than in ${source.place}.`
        )
      written.set(name, own)
      const names = new Set(to.map((column) => column.name))
      const common = from.map((column) => column.name).filter((column) => names.has(column))
      compared.set(name, common.sort())
    }
    return new Layout(written, compared)
  }

  /** The columns of rows as they are written. */
  written({ name }: MovedTable): readonly string[] {
    return this.#written.get(name) as string[]
  }

  /** These, and what both sides compute from them. */
  compared({ name }: MovedTable): readonly string[] {
    return this.#compared.get(name) as string[]
  }
}

function writtenOf(columns: readonly Column[]): string[] {
  return columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
}
