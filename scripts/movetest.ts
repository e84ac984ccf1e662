/**
 * `npm run movetest -- [KILLS] [AUTHORS]`: moves a database with something in each table to another engine and back, kills that at any
 * moment, runs it again until it is done, and compares what comes out. TEST_DATABASE_URL names a PostgreSQL on which it makes databases.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Fastify from 'fastify'
import { app, serverOptions } from '../app.ts'
import { loadConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import { DatabaseRefused } from '../db/dialect.ts'
import type { MoveEvent } from '../db/moving/events.ts'
import { helpIfAsked } from './command-line/read.ts'
import { differences, everythingOf } from './movetest/contents.ts'
import { Databases } from './movetest/databases.ts'
import { fillOddly } from './movetest/odd-world.ts'
import { type Moment, type Run, runVictim } from './movetest/victim.ts'

/** Of a table with a row for each author. */
const SLICES = 20

export interface MoveTest {
  /** In each direction. */
  kills: number
  authors: number
  folder: string
  /** Makes an empty database on a server: its `DATABASE_URL`. */
  newDatabase: () => Promise<string>
  log: (line: string) => void
  /** Damages what a killed process has left, or what comes out, to prove that it would be noticed. */
  disturb?: (url: string) => Promise<unknown>
  damage?: (url: string) => Promise<unknown>
}

/** Gives the faults. */
export async function movetest(test: MoveTest): Promise<string[]> {
  const source = path.join(test.folder, 'source.db')
  await makeSource(source, test.authors)
  let files = 0
  const newFile = async () => path.join(test.folder, `back-${++files}.db`)
  const there = new Campaign(test, { name: 'to a server', from: source, newTarget: test.newDatabase })
  const faults = await there.run()
  const back = new Campaign(test, { name: 'back', from: there.moved, newTarget: newFile })
  faults.push(...(await back.run()))
  const bothWays = differences(await everythingOf(source), await everythingOf(back.moved))
  return [...faults, ...bothWays.map((what) => `there and back: ${what}`)]
}

async function makeSource(file: string, authors: number): Promise<void> {
  const config = loadConfig({ DATABASE_URL: file, LOG_LEVEL: 'silent' })
  const service = Fastify(serverOptions(config))
  await service.register(app, { config })
  await fillOddly(service, authors)
  await service.close()
}

interface Direction {
  name: string
  from: string
  newTarget: () => Promise<string>
}

/** The kills in one direction. */
class Campaign {
  readonly #test: MoveTest
  readonly #direction: Direction
  readonly #faults: string[] = []
  #kills = 0
  #halves = 0
  #undisturbed!: Run
  /** What an undisturbed move has made. */
  moved = ''

  constructor(test: MoveTest, direction: Direction) {
    this.#test = test
    this.#direction = direction
  }

  async run(): Promise<string[]> {
    const { from, newTarget } = this.#direction
    this.moved = await newTarget()
    this.#undisturbed = await this.#runVictim(this.moved)
    const expected = await everythingOf(from)
    this.#compare(expected, await everythingOf(this.moved))
    let moves = 0
    for (; this.#kills < this.#test.kills; moves += 1) {
      const target = await newTarget()
      await this.#runUntilDone(target)
      await this.#test.damage?.(target)
      this.#compare(expected, await everythingOf(target))
    }
    this.#compare(expected, await everythingOf(from))
    this.#test.log(
      `${this.#direction.name}: ${this.#kills} kills in ${moves} moves, ${this.#halves} of which left a half, which no service took`
    )
    return this.#faults
  }

  async #runUntilDone(target: string): Promise<void> {
    for (let reached = 0; ; this.#kills += 1) {
      const { hasEnded, events } = await this.#runVictim(target, this.#nextMoment())
      const copied = events.filter(isCopying).map(({ done }) => done)
      if (copied.length > 0 && (copied[0] as number) < reached)
        this.#addFault(`begun again with ${copied[0]} rows though ${reached} were there`)
      if (events.some(({ event }) => event === 'begun_again')) this.#addFault('begun again')
      if (hasEnded) return
      reached = Math.max(reached, ...copied)
      if (await this.#isHalf(target, reached)) await this.#test.disturb?.(target)
    }
  }

  /** No service takes a database that has rows, and not all of them. */
  async #isHalf(target: string, rows: number): Promise<boolean> {
    try {
      await (await openDatabase(target)).close()
      const isWhole = differences(await everythingOf(this.moved), await everythingOf(target)).length === 0
      if (rows > 0 && !isWhole) this.#addFault(`a service began with ${rows} rows`)
      return false
    } catch (error) {
      if (!(error instanceof DatabaseRefused) || !error.message.includes('half moved')) throw error
      this.#halves += 1
      return true
    }
  }

  #runVictim(target: string, moment?: Moment): Promise<Run> {
    const rows = Math.ceil(this.#test.authors / SLICES)
    return runVictim([this.#direction.from, target], rows, moment)
  }

  /** By turns at any time, and right after a slice. */
  #nextMoment(): Moment | undefined {
    if (this.#kills >= this.#test.kills) return undefined
    const { ms, events } = this.#undisturbed
    const part = Math.random()
    return this.#kills % 2 === 0 ? { events: Math.ceil(part * events.length) } : { ms: part * ms }
  }

  #compare(expected: Record<string, string>, actual: Record<string, string>): void {
    for (const what of differences(expected, actual)) this.#addFault(what)
  }

  #addFault(fault: string): void {
    this.#faults.push(`${this.#direction.name}: ${fault}`)
  }
}

function isCopying(event: MoveEvent): event is Extract<MoveEvent, { event: 'copying' | 'resumed' }> {
  return event.event === 'copying' || event.event === 'resumed'
}

const USAGE = 'usage: npm run movetest -- [KILLS] [AUTHORS], with TEST_DATABASE_URL set to a PostgreSQL'

async function main(kills: number, authors: number): Promise<void> {
  const { TEST_DATABASE_URL } = process.env
  if (
    !(Number.isInteger(kills) && kills > 0 && Number.isInteger(authors) && authors > 0 && TEST_DATABASE_URL)
  )
    throw new Error(USAGE)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-move-'))
  const server = await Databases.on(TEST_DATABASE_URL)
  console.log(`databases: ${folder} (kept if anything goes wrong)`)
  const faults = await movetest({
    kills,
    authors,
    folder,
    newDatabase: () => server.create(),
    log: console.log
  })
  for (const fault of faults) console.log(`  ${fault}`)
  console.log(`${faults.length} faults`)
  if (faults.length === 0) {
    await server.dropAll()
    rmSync(folder, { recursive: true })
  }
  await server.close()
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  const [kills = '50', authors = '2000'] = process.argv.slice(2)
  await main(Number(kills), Number(authors)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
