import type { Kysely } from 'kysely'
import CONFUSABLES from 'unhomoglyph/data.json' with { type: 'json' }

const PROTOTYPES: Record<string, string> = CONFUSABLES

/** Of names that look the same already, the oldest one has the skeleton. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('users').addColumn('username_skeleton', 'text').execute()
  await fill(db.withTables())
  await db.schema
    .createIndex('users_username_skeleton')
    .on('users')
    .column('username_skeleton')
    .unique()
    .execute()
}

// biome-ignore lint/suspicious/noExplicitAny: the tables as they are at this point
async function fill(db: Kysely<any>): Promise<void> {
  const users: { id: string; username: string }[] = await db
    .selectFrom('users')
    .select(['id', 'username'])
    .orderBy('id')
    .execute()
  const seen = new Set<string>()
  for (const { id, username } of users) {
    const username_skeleton = skeletonOf(keyOf(skeletonOf(username)))
    if (seen.has(username_skeleton)) continue
    seen.add(username_skeleton)
    await db.updateTable('users').set({ username_skeleton }).where('id', '=', id).execute()
  }
}

function skeletonOf(text: string): string {
  const visible = text.normalize('NFD').replace(/\p{DI}/gu, '')
  return [...visible]
    .map((character) => PROTOTYPES[character] ?? character)
    .join('')
    .normalize('NFD')
}

function keyOf(username: string): string {
  return username.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC')
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('users_username_skeleton').execute()
  await db.schema.alterTable('users').dropColumn('username_skeleton').execute()
}
