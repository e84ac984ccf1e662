import { sql } from 'kysely'

/** The users who are gone, for what is left that refers to them. A trigger writes it. */
export interface FormerUsersTable {
  number: number
  id: string
}

declare module './tables.ts' {
  interface Tables {
    former_users: FormerUsersTable
  }
}

/** The number of the user with this id, as a part of a query. */
export function numberOfUser(id: string) {
  return sql<number>`(select number from users where id = ${id})`
}

/** The id of the user with the number in a column, also of one who is gone, as a part of a query. */
export function idOfUser(column: string) {
  const number = sql.ref(column)
  return sql<string | null>`coalesce(
    (select id from users where number = ${number}), (select id from former_users where number = ${number})
  )`
}
