/** Whether tables and indexes are whole and agree, which only the server can say (https://www.postgresql.org/docs/current/amcheck.html). */
import { sql } from 'kysely'
import { DatabaseUnavailable } from '../../refusals.ts'
import type { Db } from '../../tables.ts'
import { isDamage, isLost } from '../errors.ts'

interface Relation {
  name: string
  /** The function of amcheck for it, if it has one. */
  check: 'bt_index_check' | 'gin_index_check' | 'verify_heapam'
}

/** Undoes what was only made for the check. */
class Undo extends Error {}

/** Uses the extension where it is, or makes it for as long as the check takes; where neither can be, a note says so. */
export async function checkIndexes(db: Db): Promise<{ faults: string[]; notes: string[] }> {
  const faults: string[] = []
  let reason: string | undefined
  try {
    await db.transaction().execute(async (trx) => {
      await sql`set local statement_timeout = 0`.execute(trx)
      await sql`create extension if not exists amcheck`.execute(trx)
      for (const relation of await listRelations(trx)) faults.push(...(await checkRelation(trx, relation)))
      throw new Undo()
    })
  } catch (error) {
    if (error instanceof DatabaseUnavailable || isLost(error)) throw error
    if (!(error instanceof Undo)) reason = (error as Error).message
  }
  if (reason === undefined) return { faults, notes: ['tables and indexes were compared by amcheck'] }
  return {
    faults,
    notes: [
      `tables and indexes were not compared, since amcheck cannot be used (${reason}): a superuser makes that possible with \`create extension amcheck\``
    ]
  }
}

async function listRelations(db: Db): Promise<Relation[]> {
  const { rows } = await sql<Relation>`select relation.relname::text as name,
      case when relkind = 'r' then 'verify_heapam' else case amname when 'gin' then 'gin_index_check' else 'bt_index_check' end end as check
    from pg_class as relation join pg_am on pg_am.oid = relam
    where relnamespace = current_schema()::regnamespace
      and (relkind = 'r' or relkind = 'i' and (amname = 'btree' or amname = 'gin' and exists (
        select from pg_proc where proname = 'gin_index_check'
      )))
    order by relkind desc, 1`.execute(db)
  return rows
}

/** An error of one relation must not keep the others from being checked. */
async function checkRelation(db: Db, { name, check }: Relation): Promise<string[]> {
  await sql`savepoint relation`.execute(db)
  try {
    const { rows } = await statementOf(name, check).execute(db)
    return rows.flatMap(({ fault }) => (fault ? [`${name}: ${fault}`] : []))
  } catch (error) {
    await sql`rollback to savepoint relation`.execute(db)
    if (!isDamage(error)) throw error
    return [`${name}: ${(error as Error).message}`]
  } finally {
    await sql`release savepoint relation`.execute(db)
  }
}

function statementOf(name: string, check: Relation['check']) {
  if (check === 'verify_heapam')
    return sql<{ fault: string | null }>`select msg as fault from verify_heapam(${name}::regclass)`
  if (check === 'gin_index_check')
    return sql<{ fault: string | null }>`select gin_index_check(${name}::regclass)::text as fault`
  return sql<{ fault: string | null }>`select bt_index_check(${name}::regclass, true)::text as fault`
}
