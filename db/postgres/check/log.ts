import { sql } from 'kysely'
import type { Db } from '../../tables.ts'

/** The id of the author with a number, who may be deleted. */
const idOf = (number: string) => `coalesce(
  (select id from authors where authors.number = ${number}),
  (select deleted_id from changes as deletion where author_number = ${number} and deleted_id is not null limit 1),
  '(number ' || ${number} || ')'
)`

/** Each version beside the ones before and after it, and with what the author was after it. */
const VERSIONS = `(
  select changes.*, changes.before::jsonb as replaced,
    coalesce(lead(changes.before) over history, authors.record)::jsonb as became,
    lag(changes.operation) over history as last_operation, lag(changes.at) over history as last_at,
    lag(changes.version) over history as last_version, lead(changes.version) over history as next_version
  from changes left join authors on authors.number = changes.author_number and authors.version = changes.version
  window history as (partition by author_number order by changes.version)
) as versions`

/** Whether a change is the first of a history whose beginning was purged, with all that was before. */
const IS_BEGINNING = `(last_version is null and version > 1
  and case operation when 'deleted' then replaced -> 'id' is not null and replaced -> 'name' is null else replaced is null end)`

/** What must not be, and the numbers of the authors of which it is. */
const FAULTS: Record<string, string> = {
  'the author is not what its last change has made of it': `
    select number from authors left join lateral (
      select version, at, operation from changes where author_number = number order by version desc limit 1
    ) as last on true
    where last.version is distinct from authors.version or last.at <> authors.updated_at or last.operation = 'deleted'`,
  'the author is gone though it was not deleted': `
    select author_number as number from ${VERSIONS} where next_version is null and operation <> 'deleted' and became is null`,
  'a change is missing between others': `
    select author_number as number from ${VERSIONS}
    where version <> coalesce(last_version, 0) + 1 and not ${IS_BEGINNING}`,
  'a change does not say what it replaced': `
    select author_number as number from ${VERSIONS}
    where not ${IS_BEGINNING} and ((replaced is null) <> (operation in ('created', 'restored'))
      or (replaced ->> 'version')::bigint <> version - 1 or replaced ->> 'updated_at' <> last_at)`,
  'a change is not of the version that it says': `
    select author_number as number from ${VERSIONS}
    where (became ->> 'version')::bigint <> version or became ->> 'updated_at' <> at`,
  'a change does not follow from the one before': `
    select author_number as number from ${VERSIONS}
    where (version = 1) <> (operation = 'created')
      or not ${IS_BEGINNING} and (operation = 'restored') <> (last_operation is not distinct from 'deleted')`,
  'the author is not numbered by its creation': `
    select author_number as number from ${VERSIONS} where operation = 'created' and sequence <> author_number`,
  'a change was made by nobody': `
    select author_number as number from changes
    where actor_number is null or not exists (select from users where number = actor_number)
      and not exists (select from former_users where number = actor_number)`
}

const MOST_TOLD = 20

/** Replays the log against itself and against the authors. */
export async function checkLog(db: Db): Promise<string[]> {
  const faults: string[] = []
  for (const [what, query] of Object.entries(FAULTS)) {
    const found = sql.raw<{ id: string }>(
      `select distinct ${idOf('faulty.number')} as id from (${query}) as faulty order by 1 limit ${MOST_TOLD + 1}`
    )
    const { rows } = await found.execute(db)
    faults.push(...rows.slice(0, MOST_TOLD).map(({ id }) => `author ${id}: ${what}`))
    if (rows.length > MOST_TOLD) faults.push(`and more authors: ${what}`)
  }
  return faults
}
