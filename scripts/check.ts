/** `npx library db check`: a full check of the database that DATABASE_URL names, closed or in use; changes nothing. */
import { loadConfig } from '../config.ts'
import { describeDatabase, upkeepOf } from '../db/dialect.ts'
import { recordOperation } from './command-line/operation.ts'
import { helpIfAsked } from './command-line/read.ts'
import { complain } from './complain.ts'

helpIfAsked(
  'usage: npx library db check\n  checks the whole database that DATABASE_URL names, closed or in use, and changes nothing'
)

recordOperation('db check')
try {
  const { DATABASE_URL } = loadConfig(process.env, { dotenv: true })
  const { faults, remedy, notes } = await (await upkeepOf(DATABASE_URL)).check()
  const database = describeDatabase(DATABASE_URL)
  for (const note of notes) console.log(note)
  for (const fault of faults) console.error(fault.trim())
  if (faults.length > 0) {
    console.error(`${database} is damaged. ${remedy}`)
    process.exitCode = 1
  } else console.log(`${database} is sound`)
} catch (error) {
  complain(error)
}
