import { sql } from 'kysely'
import type { Db } from '../../tables.ts'

interface Reference {
  table: string
  column: string
  parent: string
  key: string
}

/** Rows that refer to a row that is not there: what restored data, a disabled trigger or a damaged index can leave behind. */
export async function checkReferences(db: Db): Promise<string[]> {
  const faults: string[] = []
  for (const { table, column, parent, key } of await listReferences(db)) {
    const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)} as child
      where child.${sql.ref(column)} is not null and not exists (
        select from ${sql.table(parent)} as parent where parent.${sql.ref(key)} = child.${sql.ref(column)}
      )`.execute(db)
    const count = rows[0]?.count ?? 0
    if (count > 0)
      faults.push(`${count} of ${table} refer by ${column} to rows of ${parent} that are not there`)
  }
  return faults
}

async function listReferences(db: Db): Promise<Reference[]> {
  const { rows } =
    await sql<Reference>`select child.relname::text as "table", child_column.attname::text as "column",
      parent.relname::text as parent, parent_column.attname::text as key
    from pg_constraint
    join pg_class as child on child.oid = conrelid
    join pg_class as parent on parent.oid = confrelid
    join pg_attribute as child_column on child_column.attrelid = conrelid and child_column.attnum = conkey[1]
    join pg_attribute as parent_column on parent_column.attrelid = confrelid and parent_column.attnum = confkey[1]
    where contype = 'f' and child.relnamespace = current_schema()::regnamespace
    order by 1, 2`.execute(db)
  return rows
}
