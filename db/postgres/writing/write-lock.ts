/**
 * Takes the lock that everything which writes has until its commit, so that in the whole cluster one transaction writes at a time. A row
 * that all of them update would do the same, until somebody reads for long (a `pg_dump`): each of its old versions would have to be
 * kept, and walked through by the next.
 */
export const TAKE_WRITE_LOCK = 'pg_advisory_xact_lock(1818845810, 1)'

/** What takes as long as it must takes this lock too, so that those who wait know what for. */
export const ANNOUNCE_LONG_WORK = 'pg_advisory_xact_lock(1818845810, 2)'
export const FIND_LONG_WORK = `select from pg_locks
  where locktype = 'advisory' and classid = 1818845810 and objid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())`

/**
 * How many transactions that write have ended; the same as before only if nothing was committed meanwhile
 * (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT).
 */
export const ENDED_TRANSACTIONS =
  'select pg_snapshot_xmax(now)::text::bigint - (select count(*) from pg_snapshot_xip(now)) as ended from pg_current_snapshot() as now'
