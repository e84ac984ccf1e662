/** Commands that read and write much, for tests of sick files. */
import { sql } from 'kysely'
import { serviceCommand } from '../../../../db/command.ts'

export const makeTables = serviceCommand('testMakeTables', async (trx) => {
  await sql`create table words (word text primary key)`.execute(trx)
  await sql`create table ballast (bytes blob)`.execute(trx)
})

export const addWord = serviceCommand('testAddWord', async (trx, { word }: { word: string }) => {
  await sql`insert into words values (${word})`.execute(trx)
  return word
})

/** Reads all from the file. */
export const scan = serviceCommand('testScan', async (trx) => {
  await sql`pragma shrink_memory`.execute(trx)
  const { rows } = await sql<{ n: number }>`select sum(length(bytes)) as n from ballast`.execute(trx)
  return rows[0]?.n
})

/** Changes as many rows as it takes for the log to be copied. */
export const fill = serviceCommand('testFill', async (trx) => {
  await sql`with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < 6000)
    insert into ballast select zeroblob(100) from numbers`.execute(trx)
})

export const die = serviceCommand('testDie', async () => process.exit())
