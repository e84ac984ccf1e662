/** `npx library db check`: a full check of the database that DATABASE_URL names, closed or in use; changes nothing. */
import { loadConfig } from '../config.ts'
import { checkFile, databaseFile } from '../db/dialect.ts'
import { helpIfAsked } from './command-line/read.ts'
import { complain } from './complain.ts'

helpIfAsked(
  'usage: npx library db check\n  checks the whole database that DATABASE_URL names, closed or in use, and changes nothing'
)

try {
  const file = databaseFile(loadConfig(process.env, { dotenv: true }).DATABASE_URL)
  const faults = checkFile(file)
  for (const fault of faults) console.error(fault.trim())
  if (faults.length > 0) {
    console.error(
      `${file} is damaged. Restore it from a backup, or save what can be saved with: sqlite3 FILE .recover`
    )
    process.exitCode = 1
  } else console.log(`${file} is sound`)
} catch (error) {
  complain(error)
}
