import { setTimeout as timer } from 'node:timers/promises'
import { openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { allocate, keepThread } from './commands/misbehaving.ts'
import { COMMANDS, callOf } from './world.ts'

const events: string[] = []
const db = await openDatabase(process.argv[2] as string, {
  commandFolders: [COMMANDS],
  signal: ({ event }) => event !== 'batch' && events.push(event)
})
console.log(isUnavailable(await db.run(callOf(allocate, {})).catch((error) => error)))
console.log(...events)
const works = () =>
  db.run(callOf(keepThread, {})).then(
    () => true,
    () => false
  )
while (!(await works())) await timer(5)
console.log('works again')
await db.close()
