import { sql } from 'kysely'
import type { EngineSql } from '../engine.ts'
import { STAGED } from './staged.ts'
import { POSTGRES_WORDS } from './word-index.ts'

/** What PostgreSQL says in its own SQL. It aggregates in the order of a subquery that has a limit. */
export const POSTGRES_SQL: EngineSql = {
  ...POSTGRES_WORDS,
  joined: (text) => sql`string_agg(${text}::text, ',')`,
  joinedBytes: (text) => sql`string_agg(${text}, ',')`,
  amongNumbers: (numbers) => sql`authors.number = any(string_to_array(${numbers.join(',')}, ',')::bigint[])`,
  hexOf: (number) => sql`lpad(to_hex(${number}), 12, '0')`,
  // By bytes: to count the characters of a text takes ten times as long.
  membersOf: (object) =>
    sql`convert_from(substr(convert_to(${object}, 'UTF8'), 2, octet_length(${object}) - 2), 'UTF8')`,
  stagedSchema: STAGED
}
