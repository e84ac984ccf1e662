import { sql } from 'kysely'
import type { EngineSql } from '../engine.ts'
import { POSTGRES_WORDS } from './word-index.ts'

/** What PostgreSQL says in its own SQL. It aggregates in the order of a subquery that has a limit. */
export const POSTGRES_SQL: EngineSql = {
  ...POSTGRES_WORDS,
  joined: (text) => sql`string_agg(${text}::text, ',')`,
  joinedBytes: (text) => sql`string_agg(${text}, ',')`,
  amongNumbers: (numbers) => sql`authors.number = any(string_to_array(${numbers.join(',')}, ',')::bigint[])`
}
