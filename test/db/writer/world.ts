import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as tickEnd, setTimeout as timer } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import { type Database, openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { Problem } from '../../../db/problems.ts'
import { callOf } from './calls.ts'
import { play, type Report } from './commands/playing.ts'
import { type Effect, expected, replay } from './oracle.ts'
import type { Actor, Caller, Foreigner, Pause } from './program.ts'

export { callOf }

export const COMMANDS = path.join(import.meta.dirname, 'commands')
export const SCHEMA = `
  create table entries (key text primary key, value text not null);
  create table journal (seq integer primary key, key text not null, value text not null);
  create trigger inserted after insert on entries begin
    insert into journal (key, value) values (new.key, new.value); end;
  create trigger updated after update on entries begin
    insert into journal (key, value) values (new.key, new.value); end;
  create table parents (id integer primary key);
  create table orphans (parent integer references parents (id) deferrable initially deferred);
  create table ballast (bytes blob)`
/** A disk may take seconds over a sync while others write much; an answer that is lost never comes. */
const LONGEST_WAIT_MS = 60_000
const LONGEST_WAIT_FOR_MUTANTS_MS = 5000
const LONGEST_RESTART_MS = 30_000
const UNSYNCED = /synced|disk I\/O/

/** What all runs together came across; a property that never meets a failure proves nothing. */
export const met = { committed: 0, refused: 0, failedAlone: 0, unknown: 0, shared: 0, foreign: 0, died: 0 }

/** A database with its writer, another connection to it, and what is known of both. */
export class World {
  readonly #file: string
  #db: Database
  readonly #other: Sqlite.Database
  /** How much of the journal was acknowledged. */
  #acknowledged = 0
  #isDiskBroken = false
  #mayFail = false
  readonly #ends: (() => void)[] = []

  static async open(folder: string): Promise<World> {
    const file = path.join(folder, `${process.hrtime.bigint()}.db`)
    const db = await open(file)
    const other = new Sqlite(file, { timeout: 2000 })
    other.pragma('synchronous = 0')
    other.exec(SCHEMA)
    return new World(file, db, other)
  }

  private constructor(file: string, db: Database, other: Sqlite.Database) {
    this.#file = file
    this.#db = db
    this.#other = other
  }

  /** Plays a program from an empty table, and checks all that it was told. */
  async play(actors: Actor[]): Promise<void> {
    await this.#writable()
    this.#other.exec('delete from entries; delete from journal; delete from orphans')
    this.#acknowledged = 0
    this.#ends.length = 0
    this.#mayFail = /die|break|flood/.test(JSON.stringify(actors))
    const played = Promise.allSettled(actors.map((actor, i) => this.#playOne(actor, `actor${i}`)))
    const overdue = new AbortController()
    const longestMs = process.env.MUTANT === undefined ? LONGEST_WAIT_MS : LONGEST_WAIT_FOR_MUTANTS_MS
    const lost = timer(longestMs, undefined, { signal: overdue.signal }).then(() => {
      throw new Error('an answer was lost')
    })
    const results = await Promise.race([played, lost])
    overdue.abort()
    await lost.catch(() => {})
    for (const result of results) if (result.status === 'rejected') throw result.reason
    assert.deepEqual(this.#entries(), replay(this.#journal()))
    for (const check of this.#ends) check()
    if (this.#isDiskBroken) await this.#restart()
  }

  async close(): Promise<void> {
    await this.#db.close()
    this.#other.close()
  }

  /** Another thread begins by itself when one has died; a disk may turn out to be broken only now. */
  async #writable(): Promise<void> {
    const probe = () =>
      this.#db.run(callOf(play, { who: 'nobody', steps: [] })).catch((error) => error as Error)
    for (const end = performance.now() + LONGEST_RESTART_MS; performance.now() < end; ) {
      const result = await probe()
      if (!(result instanceof Error)) return
      if (UNSYNCED.test(result.message)) await this.#restart()
      await timer(1)
    }
    assert.fail('it cannot be written to any more')
  }

  async #restart(): Promise<void> {
    this.#isDiskBroken = false
    await this.#db.close()
    this.#db = await open(this.#file)
  }

  async #playOne(actor: Actor, id: string): Promise<void> {
    await this.#pause(actor.pause)
    if (actor.kind === 'caller') return this.#playCaller(actor, id)
    if (actor.kind === 'reader') return this.#read()
    return this.#playForeigner(actor, id)
  }

  async #playCaller({ steps }: Caller, id: string): Promise<void> {
    const result = await this.#db.run(callOf(play, { who: id, steps })).then(
      (output) => ({ output: output as Report }),
      (error: Error) => ({ error })
    )
    if ('output' in result) {
      this.#acknowledge(id, steps, result.output)
      await this.#read()
    } else if (result.error instanceof Problem) {
      this.#refuse(id, steps, JSON.parse(result.error.details[0] as string))
    } else if (isUnavailable(result.error)) this.#loseSight(id, steps, result.error)
    else this.#fail(id, steps, result.error)
  }

  #acknowledge(id: string, steps: Caller['steps'], report: Report): void {
    assert.equal(report.who, id, 'it is its own answer')
    const { end, outcomes, effects } = expected(id, steps, report.found)
    assert.deepEqual([report.outcomes, 'done'], [outcomes, end])
    const { count, entries } = report.found
    const checkNow = () => {
      const journal = this.#journal()
      assert.deepEqual(journal.slice(count, count + effects.length), effects, `${id} is on the disk`)
      assert.deepEqual(own(journal, id), effects, `${id} is there once`)
      assert.deepEqual(entries, replay(journal.slice(0, count)), `${id} saw all before it`)
    }
    checkNow()
    this.#ends.push(checkNow)
    if (this.#acknowledged >= count + effects.length) met.shared += 1
    this.#acknowledged = Math.max(this.#acknowledged, count + effects.length)
    met.committed += 1
  }

  /** It was refused for what is on the disk, and nothing of it is. */
  #refuse(id: string, steps: Caller['steps'], report: Report): void {
    assert.equal(report.who, id, 'it is its own refusal')
    const { end, outcomes } = expected(id, steps, report.found)
    assert.deepEqual([report.outcomes, 'refused'], [outcomes, end])
    const checkNow = () => {
      const journal = this.#journal()
      assert.deepEqual(report.found.entries, replay(journal.slice(0, report.found.count)))
      assert.deepEqual(own(journal, id), [], `${id} was refused`)
    }
    checkNow()
    this.#ends.push(checkNow)
    met.refused += 1
  }

  /** Only what itself broke the foreign key fails. */
  #fail(id: string, steps: Caller['steps'], error: Error): void {
    assert.match(error.message, /FOREIGN KEY constraint failed/)
    assert.ok(steps.some(({ op }) => op.do === 'orphan'))
    this.#ends.push(() => assert.deepEqual(own(this.#journal(), id), [], `${id} failed`))
    met.failedAlone += 1
  }

  /** All of it is there or nothing. */
  #loseSight(id: string, steps: Caller['steps'], error: Error): void {
    assert.ok(this.#mayFail, error.stack)
    if (UNSYNCED.test(error.message)) this.#isDiskBroken = true
    if (/thread ended/.test(error.message)) met.died += 1
    this.#ends.push(() => {
      const journal = this.#journal()
      const written = own(journal, id)
      if (written.length === 0) return
      const at = journal.findIndex(({ value }) => value === written[0]?.value)
      const before = journal.slice(0, at)
      const { effects } = expected(id, steps, { count: at, entries: replay(before) })
      assert.deepEqual(journal.slice(at, at + written.length), effects, `${id} is whole`)
    })
    met.unknown += 1
  }

  async #read(): Promise<void> {
    const { acknowledged, committed } = { acknowledged: this.#acknowledged, committed: () => this.#journal() }
    const { rows } = await sql<{ count: number; entries: string }>`
      select (select count(*) from journal) as count,
        (select json_group_array(json_array(key, value)) from (select * from entries order by key)) as entries
    `.execute(this.#db.reads as never)
    const { count, entries } = rows[0] as { count: number; entries: string }
    const journal = committed()
    assert.ok(count >= acknowledged, 'what was acknowledged is found')
    assert.ok(count <= journal.length, 'what is not committed is not seen')
    assert.deepEqual(JSON.parse(entries), replay(journal.slice(0, count)))
  }

  /** Another process that writes, if it gets the lock. */
  async #playForeigner({ holds, commits }: Foreigner, id: string): Promise<void> {
    const foreign = new Sqlite(this.#file, { timeout: 0 })
    try {
      foreign.exec('begin immediate')
      met.foreign += 1
      foreign.prepare('insert or replace into entries values (?, ?)').run('k1', `${id}.0`)
      for (const pause of holds) await this.#pause(pause)
      foreign.exec(commits ? 'commit' : 'rollback')
    } catch (error) {
      assert.match(String((error as { code: unknown }).code), /^SQLITE_BUSY/)
    } finally {
      foreign.close()
    }
  }

  async #pause(pause: Pause): Promise<void> {
    if (pause === 'microtask') await null
    if (pause === 'immediate') await tickEnd()
    if (pause === 'timer') await timer(0)
    if (pause === 'poll') await stat(this.#file)
  }

  #journal(): Effect[] {
    return this.#other.prepare('select key, value from journal order by seq').all() as Effect[]
  }

  #entries(): [string, string][] {
    return this.#other.prepare('select key, value from entries order by key').raw().all() as [
      string,
      string
    ][]
  }
}

function open(file: string): Promise<Database> {
  return openDatabase(file, { commandFolders: [COMMANDS] })
}

function own(journal: Effect[], id: string): Effect[] {
  return journal.filter(({ value }) => value.startsWith(`${id}.`))
}
