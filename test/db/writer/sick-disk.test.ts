// On SQLite alone: its file on a disk that fails.
import { execFileSync, spawnSync } from 'node:child_process'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import t from 'tap'
import { ROOT, temporaryFolder } from '../../helpers.ts'

const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0

type Outcome = 'done' | 'unavailable'

/** What becomes of writes and reads while the file is sick, of writes afterwards, and what is signalled. */
const EXPECTED: Record<string, [Outcome | RegExp, Outcome | RegExp, Outcome, string?]> = {
  // What was just written need not be read.
  'pread EIO .db-wal': [/done|unavailable/, /done|unavailable/, 'done'],
  'pwrite EIO .db-wal': ['unavailable', 'done', 'done'],
  'pwrite ENOSPC .db-wal': ['unavailable', 'done', 'done'],
  'pwrite EIO .db': ['done', 'done', 'done', 'checkpoint_failed'],
  'pwrite ENOSPC .db': ['done', 'done', 'done', 'checkpoint_failed'],
  'sync EIO .db': ['done', 'done', 'done', 'checkpoint_failed'],
  'open EACCES .db': ['unavailable', 'done', 'done', 'writer_ended'],
  moved: ['unavailable', 'done', 'done'],
  'sync EIO .db-wal': ['unavailable', 'done', 'unavailable', 'sync_failed']
}

t.test(
  'a sick file never ends the process',
  { skip: !hasCompiler && 'there is no C compiler' },
  async (t) => {
    const folder = temporaryFolder(t)
    const library = path.join(folder, 'disk.so')
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, path.join(import.meta.dirname, 'disk.c')])
    const file = path.join(folder, 'library.db')
    const { status, stdout, stderr } = spawnSync(process.execPath, ['test/db/writer/sick-disk.ts', file], {
      cwd: ROOT,
      env: { ...process.env, LD_PRELOAD: library, FAULT_FILE: path.join(folder, 'fault') },
      encoding: 'utf8'
    })
    t.equal(status, 0, stderr)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const { acknowledged } = lines.pop()
    for (const { fault, sick, well, events } of lines) {
      const [writes, reads, afterwards, signalled] = EXPECTED[fault] ?? ['unavailable', 'unavailable', 'done']
      t.match(sick, { write: writes, scan: writes, fill: writes, read: reads }, `sick: ${fault}`)
      t.match(well, { write: afterwards, scan: afterwards, fill: afterwards, read: 'done' }, `well: ${fault}`)
      if (signalled !== undefined) t.ok(events.includes(signalled), `${fault} is signalled`)
    }
    t.equal(lines.length, 15)
    const database = new Sqlite(file)
    const words = new Set(database.prepare('select word from words').pluck().all())
    t.strictSame(
      acknowledged.filter((word: string) => !words.has(word)),
      [],
      'nothing acknowledged is lost'
    )
    t.equal(database.pragma('integrity_check', { simple: true }), 'ok')
    database.close()
  }
)
