/** `npx library db vacuum`: brings the database that DATABASE_URL names to the size that it needs, without what was deleted. */
import { loadConfig } from '../config.ts'
import { describeDatabase, upkeepOf } from '../db/dialect.ts'
import { recordOperation } from './command-line/operation.ts'
import { helpIfAsked } from './command-line/read.ts'
import { complain } from './complain.ts'

helpIfAsked(`usage: npx library db vacuum
  writes the database that DATABASE_URL names once more, so that it takes no more room than it needs and has nothing of what was deleted.
  End the service first. It needs as much room again as the database takes, and some seconds for each 100 MB.`)

recordOperation('db vacuum')

const inMegabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(1)} MB`

try {
  const { DATABASE_URL } = loadConfig(process.env, { dotenv: true })
  const begun = performance.now()
  const { before, after, notes } = await (await upkeepOf(DATABASE_URL)).vacuum((step) => console.log(step))
  for (const note of notes) console.log(note)
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  console.log(
    `${describeDatabase(DATABASE_URL)} had ${inMegabytes(before)}, and has ${inMegabytes(after)} now (${seconds} s)`
  )
} catch (error) {
  complain(error)
}
