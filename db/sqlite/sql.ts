import { sql } from 'kysely'
import type { EngineSql } from '../engine.ts'
import { STAGED } from './staged.ts'
import { SQLITE_WORDS } from './word-index.ts'

/** What SQLite says in its own SQL. It aggregates in the order of a subquery that has a limit. */
export const SQLITE_SQL: EngineSql = {
  ...SQLITE_WORDS,
  joined: (text) => sql`group_concat(${text}, ',')`,
  joinedBytes: (text) => sql`cast(group_concat(${text}, ',') as blob)`,
  amongNumbers: (numbers) => sql`authors.number in (select value from json_each(${JSON.stringify(numbers)}))`,
  hexOf: (number) => sql`printf('%012x', ${number})`,
  membersOf: (object) => sql`substr(${object}, 2, length(${object}) - 2)`,
  stagedSchema: STAGED
}
