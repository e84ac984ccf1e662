/** A process with a database on a disk that becomes sick and well again; prints what it met as a line of JSON for each fault. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as timer } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import { type DatabaseEvent, openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { PAGE_BYTES } from '../../../db/sqlite/open.ts'
import { addWord, die, fill, scan } from './commands/filling.ts'
import { callOf } from './world.ts'

const LONGEST_MS = 10_000
const file = process.argv[2] as string
const faultFile = process.env.FAULT_FILE as string
const events: DatabaseEvent['event'][] = []
const acknowledged: string[] = []
let lastWord = 0

const setFault = (fault: string) => writeFileSync(faultFile, fault)
const shell = (command: string) => execFileSync('sh', ['-c', command.replaceAll('FILE', file)])

setFault('')
const db = await openDatabase(file, {
  commandFolders: [path.join(import.meta.dirname, 'commands')],
  signal: ({ event }) => event !== 'batch' && events.push(event)
})
const other = new Sqlite(file)
other.exec('create table words (word text primary key); create table ballast (bytes blob)')
other.close()
await db.run(callOf(fill, {}))

async function write(): Promise<void> {
  lastWord += 1
  const word = `word ${lastWord}`
  await db.run(callOf(addWord, { word }))
  acknowledged.push(word)
}

const read = () => sql`select sum(length(bytes)) from ballast`.execute(db.reads as never)
const actions = { write, scan: () => db.run(callOf(scan, {})), fill: () => db.run(callOf(fill, {})), read }

/** What comes of each when all are asked for at once. */
async function tryAll(): Promise<Record<string, string>> {
  const tried = Object.entries(actions).map(async ([name, action]) => {
    const outcome = await Promise.race([
      action().then(
        () => 'done',
        (error) => (isUnavailable(error) ? 'unavailable' : String(error.stack))
      ),
      timer(LONGEST_MS, 'hung', { ref: false })
    ])
    return [name, outcome]
  })
  return Object.fromEntries(await Promise.all(tried))
}

async function meet(fault: string, begin: () => void, end: () => void): Promise<void> {
  events.length = 0
  begin()
  const sick = await tryAll()
  // What the thread does after a batch is heard of before the next.
  await actions.scan().catch(() => {})
  end()
  const well = await tryAll()
  // A thread that could not begin tries again after a while.
  for (let tries = 0; tries < 40 && fault.startsWith('open') && well.write !== 'done'; tries++) {
    await timer(50)
    Object.assign(well, await tryAll())
  }
  console.log(JSON.stringify({ fault, sick, well, events: [...new Set(events)] }))
}

for (const fault of [
  'pread EIO .db',
  'pread SHORT .db',
  'pread EIO .db-wal',
  'pwrite EIO .db-wal',
  'pwrite ENOSPC .db-wal',
  'pwrite EIO .db',
  'pwrite ENOSPC .db',
  'sync EIO .db'
]) {
  await meet(
    fault,
    () => setFault(fault),
    () => setFault('')
  )
}
await meet(
  'open EACCES .db',
  () => {
    setFault('open EACCES .db')
    db.run(callOf(die, {})).catch(() => {})
  },
  () => setFault('')
)
await meet(
  'moved',
  () => shell('mv FILE FILE.away'),
  () => shell('mv FILE.away FILE')
)
for (const [fault, command] of [
  ['damaged', 'dd if=/dev/zero of=FILE bs=4096 seek=2 count=100000 conv=notrunc iflag=fullblock status=none'],
  ['cut off', 'truncate -s 8192 FILE'],
  ['emptied', 'truncate -s 0 FILE'],
  ['overwritten', 'head -c 4096 /dev/urandom | dd of=FILE conv=notrunc status=none']
] as const) {
  // After it the thread copies nothing.
  await actions.scan()
  const other = new Sqlite(file)
  other.pragma('wal_checkpoint(truncate)')
  other.close()
  copyFileSync(file, `${file}.copy`)
  const damage = fault === 'damaged' ? command.replace('100000', String(pages() - 2)) : command
  await meet(
    fault,
    () => shell(damage),
    () => shell('cat FILE.copy > FILE')
  )
}
await meet(
  'sync EIO .db-wal',
  () => setFault('sync EIO .db-wal'),
  () => setFault('')
)
await db.close()
console.log(JSON.stringify({ acknowledged }))

function pages(): number {
  return Number(shell('stat -c %s FILE').toString()) / PAGE_BYTES
}
