/**
 * `npm run migrationtest -- [KILLS] [AUTHORS]`: kills the migration of a database with rows, and its way back, at any moment, starts it
 * again until it is done, and compares what comes out with that of a migration that nobody disturbed.
 */
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Migrating } from '../db/sqlite/rebuild/progress.ts'
import { helpIfAsked } from './command-line/read.ts'
import { contentsOf, differences } from './migration/contents.ts'
import { makeOldDatabase } from './migration/old-database.ts'
import { type Direction, type Moment, type Run, runVictim } from './migration/victim.ts'

const USERS = 24
/** Of a table with a row for each author. */
const SLICES = 20
const FAULTS_SHOWN = 20
/** A process lives for so much of an undisturbed migration at most, so that one needs several. */
const LONGEST_LIFE = 0.4
const EARLY_EVERY = 6
const LATE_EVERY = 4

export interface MigrationTest {
  /** In each direction. */
  kills: number
  authors: number
  folder: string
  log: (line: string) => void
  /** Damages what a killed process has left, to prove that it would be noticed. */
  disturb?: (file: string) => void
  /** Damages what comes out. */
  damage?: (file: string) => void
}

/** Gives the faults. */
export async function migrationtest(test: MigrationTest): Promise<string[]> {
  const [old, lean, back] = ['old.db', 'lean.db', 'back.db'].map((name) => path.join(test.folder, name)) as [
    string,
    string,
    string
  ]
  await makeOldDatabase(old, { authors: test.authors, users: USERS })
  const faults = await new Campaign(test, 'up').run(old, lean)
  faults.push(...(await new Campaign(test, 'down').run(lean, back)))
  return [
    ...faults,
    ...differences(contentsOf(old), contentsOf(back)).map((what) => `there and back: ${what}`)
  ]
}

type Reached = Pick<Migrating, 'percent' | 'step'>
const NOTHING: Reached = { percent: 0, step: '' }

const isKilled = (name: string) => name.startsWith('killed.db')

/** The kills in one direction. */
class Campaign {
  readonly #test: MigrationTest
  readonly #direction: Direction
  readonly #faults: string[] = []
  #kills = 0
  #slices = 0
  #repeated = 0
  #undisturbed!: Run

  constructor(test: MigrationTest, direction: Direction) {
    this.#test = test
    this.#direction = direction
  }

  /** Migrates a copy of the file without a kill, then as many as the kills take. */
  async run(from: string, to: string): Promise<string[]> {
    copyFileSync(from, to)
    this.#undisturbed = await this.#runVictim(to)
    const expected = contentsOf(to)
    let migrations = 0
    for (; this.#kills < this.#test.kills; migrations++) await this.#migrate(from, expected)
    this.#log(
      `${this.#kills} kills in ${migrations} migrations, ${this.#repeated} of which had to begin again`
    )
    const { length } = this.#undisturbed.events
    this.#log(`${this.#slices} slices; ${migrations} undisturbed migrations have ${length * migrations}`)
    return this.#faults
  }

  async #migrate(from: string, expected: Record<string, string>): Promise<void> {
    const { folder, damage } = this.#test
    const file = path.join(folder, 'killed.db')
    copyFileSync(from, file)
    await this.#runUntilDone(file)
    damage?.(file)
    const left = readdirSync(folder).filter((name) => isKilled(name) && name !== path.basename(file))
    if (left.length > 0) this.#addFault(`left behind: ${left}`)
    // Reading it leaves files behind, too.
    for (const what of differences(expected, contentsOf(file))) this.#addFault(what)
    for (const name of readdirSync(folder).filter(isKilled)) rmSync(path.join(folder, name))
  }

  async #runUntilDone(file: string): Promise<void> {
    for (let reached = NOTHING; ; this.#kills += 1) {
      const { hasEnded, events } = await this.#runVictim(file, this.#nextMoment())
      this.#slices += events.length
      const [first, last] = [events[0], events.at(-1)]
      if (first !== undefined && first.percent < reached.percent) this.#noteRestart(reached)
      if (hasEnded) return
      reached = last ?? reached
      this.#test.disturb?.(file)
    }
  }

  #runVictim(file: string, moment?: Moment): Promise<Run> {
    const rows = Math.ceil(this.#test.authors / SLICES)
    return runVictim(file, { direction: this.#direction, rows, moment })
  }

  /** Between the end of the copy and its new name there is a moment in which nothing tells what it is a copy of. */
  #noteRestart({ percent, step }: Reached): void {
    this.#repeated += 1
    if (step !== 'check') this.#addFault(`begun again though ${percent} % were done`)
  }

  #nextMoment(): Moment | undefined {
    if (this.#kills >= this.#test.kills) return undefined
    const { startMs, copyMs } = this.#undisturbed
    if (this.#kills % EARLY_EVERY === 1) return { after: 'start', ms: Math.random() * startMs }
    if (this.#kills % LATE_EVERY === 2) return { after: 'copied' }
    return { after: 'copying', ms: Math.random() * copyMs * LONGEST_LIFE }
  }

  #addFault(fault: string): void {
    this.#faults.push(`${this.#direction}: ${fault}`)
  }

  #log(line: string): void {
    this.#test.log(`${this.#direction}: ${line}`)
  }
}

const USAGE = 'usage: npm run migrationtest -- [KILLS] [AUTHORS]'

async function main(kills: number, authors: number): Promise<void> {
  if (!(Number.isInteger(kills) && kills > 0 && Number.isInteger(authors) && authors > 0)) {
    throw new Error(USAGE)
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'library-migration-'))
  console.log(`databases: ${folder} (kept if anything goes wrong)`)
  const faults = await migrationtest({ kills, authors, folder, log: console.log })
  for (const fault of faults.slice(0, FAULTS_SHOWN)) console.log(`  ${fault}`)
  console.log(`${faults.length} faults`)
  if (faults.length === 0) rmSync(folder, { recursive: true })
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  const [kills = '100', authors = '20000'] = process.argv.slice(2)
  await main(Number(kills), Number(authors)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
