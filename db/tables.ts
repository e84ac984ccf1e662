import type { Kysely } from 'kysely'

/** All tables of the database: each module of a table adds its own. */
// biome-ignore lint/suspicious/noEmptyInterface: only an interface can be added to
export interface Tables {}

/** The transaction of a command. */
export type Db = Kysely<Tables>

/** What only reads: the first argument of every query function that does not write. A transaction is one too. */
export type ReadDb = Pick<Kysely<Tables>, 'selectFrom' | 'executeQuery' | 'getExecutor'>
