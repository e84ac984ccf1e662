import type { ReadDb } from './tables.ts'
import { selectUsers } from './users.ts'

/** For each field with the id of a user, the one that has the username. */
const NAME_FIELDS = { owner_id: 'owner_name', actor_id: 'actor_name', deleted_by: 'deleted_by_name' } as const

type IdField = keyof typeof NAME_FIELDS
type Referring = Partial<Record<IdField, string | null>> & { record?: Referring | null }

/** The entries with the names of the users that they refer to, also in their records; null for a user who is gone. */
export async function withNames<Entry extends object>(db: ReadDb, entries: Entry[]): Promise<Entry[]> {
  const referring = entries as Referring[]
  const names = await findUsernames(db, [...new Set(referring.flatMap(idsIn))])
  return referring.map((entry) => named(entry, names)) as Entry[]
}

/** Of all users who are there; nothing is kept, so that no name is ever one of before. */
async function findUsernames(db: ReadDb, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await selectUsers(db).select(['id', 'username']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, username }) => [id, username]))
}

function idsIn(entry: Referring): string[] {
  const own = Object.keys(NAME_FIELDS).map((field) => entry[field as IdField])
  return [...own.filter((id) => id != null), ...(entry.record ? idsIn(entry.record) : [])]
}

function named(entry: Referring, names: ReadonlyMap<string, string>): Referring {
  const added = Object.entries(NAME_FIELDS)
    .filter(([idField]) => idField in entry)
    .map(([idField, nameField]) => [nameField, names.get(entry[idField as IdField] ?? '') ?? null])
  const record = entry.record && { record: named(entry.record, names) }
  return { ...entry, ...Object.fromEntries(added), ...record }
}
