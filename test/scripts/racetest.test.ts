import { spawnSync } from 'node:child_process'
import t from 'tap'
import type { Cheat } from '../../scripts/races/rivals.ts'
import { racetest } from '../../scripts/racetest.ts'
import { engineOf, newDatabase, test } from '../engines.ts'
import { ROOT } from '../helpers.ts'

/** With SQLite two processes wait for the lock at random. */
const RACES = { sqlite: 5, postgres: 30 }
const KINDS = ['author', 'name', 'refresh token', 'idempotency key', 'last admin', 'import', 'username']

test('of two instances that do the same at the same time one wins, and both know it', async (t) => {
  const databaseUrl = await newDatabase(t)
  const races = RACES[engineOf(t)]
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  // The other one comes too late to be refused.
  const cheat: Cheat = ([call]) => [call, { path: '/authors' }]
  const { faults, seen } = await racetest({ databaseUrl, races, log, cheat })
  t.same(faults, [])
  t.same(
    lines,
    KINDS.map((kind) => `${kind}: ${races} races, 0 wrong`)
  )
  for (const kind of KINDS)
    t.ok(
      seen.some((fault) => fault.startsWith(`${kind}: `)),
      `it sees when that is not so: ${kind}`
    )
})

t.test('the command says how it is used', async (t) => {
  const env = { ...process.env, DATABASE_URL: 'never-made.db' }
  for (const args of [['many'], ['1', 'nobody']]) {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/racetest.ts', ...args], {
      cwd: ROOT,
      env
    })
    t.equal(status, 1)
    t.match(
      String(stderr),
      /^usage: npm run racetest -- RACES \[KIND\]\n.+\n {2}KIND: author, .+ username\n$/
    )
  }
})
