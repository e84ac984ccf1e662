// On SQLite alone: what a crash may do to its file.
import { rmSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import { migrationtest } from '../../scripts/migrationtest.ts'
import { temporaryFolder } from '../helpers.ts'

const SIZES = { kills: 4, authors: 1500 }

function run(t: Test, damages: object = {}): Promise<string[]> {
  return migrationtest({ ...SIZES, folder: temporaryFolder(t), log: (line) => t.comment(line), ...damages })
}

t.test('killed again and again, a migration gives what it gives undisturbed', async (t) => {
  t.same(await run(t), [])
})

t.test('a row that is lost is noticed, and work that is begun again', async (t) => {
  const faults = await run(t, {
    damage(file: string) {
      const database = new Sqlite(file)
      database.exec('delete from changes where sequence = 7')
      database.close()
    },
    disturb(file: string) {
      for (const suffix of ['', '-journal']) rmSync(`${file}-migrating${suffix}`, { force: true })
    }
  })
  for (const direction of ['up', 'down']) {
    t.ok(faults.includes(`${direction}: changes differs`))
    t.ok(
      faults.some((fault) => fault.startsWith(`${direction}: begun again though`)),
      direction
    )
  }
})
