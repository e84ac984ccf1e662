/** The advisory locks of a database that is ours: each has a number of its own, or what has nothing to do with another would stop it. */
const OURS = 1818845810

const numbered = (number: number) => `(${OURS}, ${number})`
const LONG_WORK = 2

/**
 * Takes the lock that everything which writes has until its commit, so that in the whole cluster one transaction writes at a time. A row
 * that all of them update would do the same, until somebody reads for long (a `pg_dump`): each of its old versions would have to be
 * kept, and walked through by the next.
 */
export const TAKE_WRITE_LOCK = `pg_advisory_xact_lock${numbered(1)}`

/** What takes as long as it must takes this lock too, so that those who wait know what for. */
export const ANNOUNCE_LONG_WORK = `pg_advisory_xact_lock${numbered(LONG_WORK)}`
export const FIND_LONG_WORK = `select from pg_locks
  where locktype = 'advisory' and classid = ${OURS} and objid = ${LONG_WORK} and granted
    and database = (select oid from pg_database where datname = current_database())`

/** Held by who migrates. */
export const TAKE_MIGRATION_LOCK = `pg_advisory_xact_lock${numbered(3)}`

/** Held by who makes a backup: of several instances, one at a time does. */
export const TRY_BACKUP_LOCK = `pg_try_advisory_xact_lock${numbered(4)}`
