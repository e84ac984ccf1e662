/** Whatever ends a right to be let in is written down, and little else. */
import type { Kysely } from 'kysely'
import type { Test } from 'tap'
import { deleteOldAccountChanges, listAccountChanges } from '../../db/account-changes.ts'
import type { Tables } from '../../db/tables.ts'
import { numberOfUser } from '../../db/user-numbers.ts'
import { test } from '../engines.ts'
import { basic, buildApp, directly, PASSWORD, signIn } from '../helpers.ts'

type Db = Kysely<Tables>

/** A user with a session that goes on, one that has ended, and a key. */
async function prepare(t: Test) {
  const server = await buildApp(t)
  const db = directly(t, server)
  const user = await signIn(server)
  const payload = { name: 'k', scope: 'write' }
  await server.inject({ method: 'POST', url: '/me/keys', headers: user.headers, payload })
  await server.inject({ method: 'POST', url: '/logout', headers: user.headers })
  const authorization = basic('salman', PASSWORD)
  const { access_token } = (
    await server.inject({ method: 'POST', url: '/login', headers: { authorization } })
  ).json()
  await signIn(server, 'bystander')
  return { server, db, id: user.id, headers: { authorization: `Bearer ${access_token}` } }
}

async function last(db: Db): Promise<number> {
  const changes = await listAccountChanges(db, { limit: 1000, after: 0 })
  return changes.at(-1)?.sequence ?? 0
}

const NOW = new Date().toISOString()
const LATER = '2999-01-01T00:00:00.000Z'
type Change = (db: Db, id: string) => { execute(): Promise<unknown> }

const WRITTEN_DOWN: Record<string, Change> = {
  'a change of the role': (db, id) => db.updateTable('users').set({ role: 'reader' }).where('id', '=', id),
  'being disabled': (db, id) => db.updateTable('users').set({ disabled_at: NOW }).where('id', '=', id),
  'the end of a session': (db, id) =>
    db
      .updateTable('sessions')
      .set({ ended_at: NOW })
      .where('user_number', '=', numberOfUser(id))
      .where('ended_at', 'is', null),
  'another end of a session': (db, id) =>
    db
      .updateTable('sessions')
      .set({ expires_at: NOW })
      .where('user_number', '=', numberOfUser(id))
      .where('ended_at', 'is', null),
  'a session of somebody else': (db, id) =>
    db
      .updateTable('sessions')
      .set({ user_number: (eb) => eb.selectFrom('users').select('number').where('id', '!=', id) })
      .where('user_number', '=', numberOfUser(id))
      .where('ended_at', 'is', null),
  'a session that is gone before its end': (db, id) =>
    db.deleteFrom('sessions').where('user_number', '=', numberOfUser(id)).where('ended_at', 'is', null),
  'a key that is revoked': (db, id) => db.deleteFrom('api_keys').where('user_number', '=', numberOfUser(id)),
  'the scope of a key': (db, id) =>
    db.updateTable('api_keys').set({ scope: 'read' }).where('user_number', '=', numberOfUser(id)),
  'the expiry of a key': (db, id) =>
    db.updateTable('api_keys').set({ expires_at: LATER }).where('user_number', '=', numberOfUser(id))
}

const NOT_WRITTEN_DOWN: Record<string, Change> = {
  'the same role': (db, id) => db.updateTable('users').set({ role: 'editor' }).where('id', '=', id),
  'another password': (db, id) => db.updateTable('users').set({ password_hash: 'x' }).where('id', '=', id),
  'a refreshed session': (db, id) =>
    db
      .updateTable('sessions')
      .set({ last_used_at: NOW, idle_expires_at: LATER })
      .where('user_number', '=', numberOfUser(id)),
  'a session that had ended, and is gone': (db, id) =>
    db.deleteFrom('sessions').where('user_number', '=', numberOfUser(id)).where('ended_at', 'is not', null),
  'the use of a key': (db, id) =>
    db.updateTable('api_keys').set({ last_used_at: NOW }).where('user_number', '=', numberOfUser(id))
}

test('once each', async (t) => {
  for (const [name, change] of Object.entries(WRITTEN_DOWN)) {
    const { server, db, id } = await prepare(t)
    const before = await last(db)
    await change(db, id).execute()
    t.strictSame(
      await listAccountChanges(db, { limit: 10, after: before }),
      [{ sequence: before + 1, user_id: id }],
      name
    )
    await server.close()
  }
})

test('being enabled too, of which nobody who was kept out may hear too late', async (t) => {
  const { db, id } = await prepare(t)
  await db.updateTable('users').set({ disabled_at: NOW }).execute()
  const before = await last(db)
  await db.updateTable('users').set({ disabled_at: null }).where('id', '=', id).execute()
  t.match(await listAccountChanges(db, { limit: 10, after: before }), [{ user_id: id }])
})

test('a user that is gone, with what went along', async (t) => {
  const { db, id } = await prepare(t)
  const before = await last(db)
  await db.deleteFrom('users').where('id', '=', id).execute()
  const changes = await listAccountChanges(db, { limit: 10, after: before })
  t.equal(changes.length, 3, 'the session, the key and the user')
  t.ok(changes.every(({ user_id }) => user_id === id))
})

test('nothing that leaves everybody as welcome as before', async (t) => {
  const { server, db, id, headers } = await prepare(t)
  const before = await last(db)
  for (const change of Object.values(NOT_WRITTEN_DOWN)) await change(db, id).execute()
  await signIn(server, 'newcomer')
  await server.inject({ method: 'POST', url: '/me/keys', headers, payload: { name: 'k', scope: 'read' } })
  t.strictSame(await listAccountChanges(db, { limit: 10, after: before }), [])
})

test('the newest 10,000 are kept', async (t) => {
  const db = directly(t, await buildApp(t))
  const rows = Array.from({ length: 10_250 }, (_, index) => ({ sequence: index + 1, user_id: 'x' }))
  for (let i = 0; i < rows.length; i += 2050) {
    await db
      .insertInto('account_changes')
      .values(rows.slice(i, i + 2050))
      .execute()
  }
  const numbers = [await deleteOldAccountChanges(db, 200), await deleteOldAccountChanges(db, 200)]
  t.strictSame([...numbers, await deleteOldAccountChanges(db, 200)], [200, 50, 0])
  t.match(await listAccountChanges(db, { limit: 1, after: 0 }), [{ sequence: 251 }])
})
