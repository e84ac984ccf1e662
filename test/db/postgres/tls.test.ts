import path from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import { openDatabase } from '../../../db/database.ts'
import type { Db } from '../../../db/tables.ts'
import { OwnServer, ownedCopies } from './servers.ts'

const CA = path.join(import.meta.dirname, 'tls/ca.pem')

t.test('connections are encrypted, and their server is verified, as sslmode says', async (t) => {
  const { url } = await OwnServer.start(t, ownedCopies(t))
  const byName = url.replace('127.0.0.1', 'localhost')
  const isEncrypted = async (databaseUrl: string) => {
    const db = await openDatabase(databaseUrl)
    const { rows } = await sql<{
      ssl: boolean
    }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(db.reads as Db)
    await db.close()
    return rows[0]?.ssl
  }
  t.equal(await isEncrypted(url), false)
  t.equal(await isEncrypted(`${url}?sslmode=require`), true, 'whoever it is')
  t.equal(await isEncrypted(`${url}?sslmode=verify-ca&sslrootcert=${CA}`), true)
  t.equal(await isEncrypted(`${byName}?sslmode=verify-full&sslrootcert=${CA}`), true)
  t.equal(await isEncrypted(`${byName}?sslrootcert=${CA}`), true)
  for (const refused of [
    `${byName}?sslmode=verify-full`,
    `${url}?sslmode=verify-ca`,
    `${byName}?sslmode=verify-full&sslrootcert=system`,
    `${url}?sslmode=verify-full&sslrootcert=${CA}`
  ]) {
    const refusal = { name: 'DatabaseRefused', message: /certificate.*sslmode in DATABASE_URL/ }
    await t.rejects(isEncrypted(refused), refusal, refused)
  }
})

t.test('a server without TLS, or a certificate that is nowhere', async (t) => {
  const { url } = await OwnServer.start(t)
  for (const query of ['sslmode=require', 'sslmode=require&sslrootcert=/nowhere.pem']) {
    await t.rejects(openDatabase(`${url}?${query}`), { name: 'DatabaseRefused', message: /SSL|nowhere\.pem/ })
  }
})
