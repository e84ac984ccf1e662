/**
 * Histories that begin later than they did. The first change that is kept has nothing of the version before it, and all that came before that change
 * is gone, so that a history has no gaps. The last change of an author always stays.
 */
import { type Insertable, sql } from 'kysely'
import type { ChangesTable } from '../changes.ts'
import { latestCredible } from '../clock.ts'
import type { Db, ReadDb } from '../tables.ts'
import { type HistoryKeep, oldBefore } from './keeping.ts'
import { remainsOf } from './remains.ts'

/** From which version to which the log has an author, and when the first of them was replaced. */
export interface History {
  author_number: number
  first: number
  last: number
  replaced_at: string | null
}

/** The histories of up to `limit` authors after the number `after`, in order. */
export async function listHistories(
  db: ReadDb,
  { after, limit }: { after: number; limit: number }
): Promise<History[]> {
  const { rows } = await sql<History>`
    select author_number, first, last, (
      select at from changes where changes.author_number = spans.author_number and changes.version = spans.first + 1
    ) as replaced_at
    from (
      select author_number, min(version) as first, max(version) as last from changes
      where author_number > ${after} group by author_number order by author_number limit (${limit} + 0)
    ) as spans order by author_number`.execute(db as Db)
  return rows
}

/** Whether a look at the single versions is worth it. */
export function mayBeLong({ first, last, replaced_at }: History, keep: HistoryKeep, at: string): boolean {
  if (replaced_at === null || last - first < keep.versions) return false
  return replaced_at < oldBefore(keep, at) || replaced_at > latestCredible(at)
}

type Logged = Pick<Insertable<ChangesTable>, 'version' | 'at' | 'operation'> & { deleted_id: string | null }

/** Lets up to `limit` versions of an author go that need not be kept; gives how many. */
export async function trimToKeep(
  trx: Db,
  number: number,
  { keep, at, limit }: { keep: HistoryKeep; at: string; limit: number }
): Promise<number> {
  const history = await listOldest(trx, number, limit)
  const last = await trx
    .selectFrom('changes')
    .select(['version', 'operation'])
    .where('author_number', '=', number)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (last === undefined) return 0
  const lastBeginning =
    keep.versions === 0 ? last.version : last.version - keep.versions + Number(last.operation !== 'deleted')
  const isOld = (change: Logged) => change.at < oldBefore(keep, at)
  // A clock that was ahead tells nothing.
  const credible = history.filter((change) => change.at <= latestCredible(at))
  const firstYoung = credible.findIndex((change) => !isOld(change))
  const old = firstYoung === -1 ? credible : credible.slice(0, firstYoung)
  return beginWith(
    trx,
    number,
    history,
    old.findLast(({ version }) => version <= lastBeginning)
  )
}

/** Lets up to `limit` versions of an author go, whatever they are; gives how many. */
export async function trimSome(trx: Db, number: number, limit: number): Promise<number> {
  const history = await listOldest(trx, number, limit)
  return beginWith(trx, number, history, history.at(-1))
}

function listOldest(db: ReadDb, number: number, limit: number): Promise<Logged[]> {
  return db
    .selectFrom('changes')
    .select(['version', 'at', 'operation', 'deleted_id'])
    .where('author_number', '=', number)
    .orderBy('version')
    .limit(limit + 1)
    .execute()
}

async function beginWith(
  trx: Db,
  number: number,
  history: Logged[],
  change: Logged | undefined
): Promise<number> {
  const [first] = history
  if (first === undefined || change === undefined || change.version <= first.version) return 0
  const changes = trx.updateTable('changes').where('author_number', '=', number)
  await trx
    .deleteFrom('changes')
    .where('author_number', '=', number)
    .where('version', '<', change.version)
    .execute()
  const before = change.deleted_id === null ? null : remainsOf(change.deleted_id)
  await changes.where('version', '=', change.version).set({ before }).execute()
  return change.version - first.version
}

/** Deletes all changes of an author. */
export async function deleteHistory(trx: Db, number: number): Promise<void> {
  await trx.deleteFrom('changes').where('author_number', '=', number).execute()
}
