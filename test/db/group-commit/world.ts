import assert from 'node:assert/strict'
import fs from 'node:fs'
import { stat } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { setImmediate as roundEnd, setTimeout as timer } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { type ControlledTransaction, sql } from 'kysely'
import { type Database, type Db, openKysely, type Tables } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { Draft, type Effect, type Entries, type Outcome, replay } from './oracle.ts'
import type {
  Actor,
  Change,
  Foreigner,
  Op,
  Pause,
  Reader,
  Savepoint,
  SingleWrite,
  Transaction,
  Write
} from './program.ts'

const SCHEMA = `
  create table entries (key text primary key, value text not null);
  create table journal (seq integer primary key, key text not null, value text not null);
  create trigger inserted after insert on entries begin
    insert into journal (key, value) values (new.key, new.value); end;
  create trigger updated after update on entries begin
    insert into journal (key, value) values (new.key, new.value); end;
  create table parents (id integer primary key);
  create table orphans (parent integer references parents (id) deferrable initially deferred);
  create table ballast (bytes blob)`
const PAGES_LEFT = 200
const FLOOD_BYTES = 2_000_000

/** What all runs together came across; a property that never meets a failure proves nothing. */
export const met = { committed: 0, refused: 0, rolledBack: 0, lost: 0, unknown: 0, shared: 0, foreign: 0 }

const disk = { isBroken: false }
breakableSync()

/** A database, its driver, another connection to it, and what is known of both. */
export class World {
  readonly #db: Database
  readonly #file: string
  readonly #other: Sqlite.Database
  /** How much of the journal has been told by a promise of the driver. */
  #told = 0
  #active: string | undefined
  readonly #bases = new Map<string, { count: number; entries: Entries; effects: Effect[] }>()
  readonly #ends = new Map<string, 'committed' | 'refused' | 'unknown'>()
  readonly #mayFail: boolean

  static async open(folder: string, program: Actor[]): Promise<World> {
    const file = path.join(folder, `${process.hrtime.bigint()}.db`)
    const db = await openKysely(file)
    const other = new Sqlite(file, { timeout: 0 })
    other.pragma('synchronous = 0')
    other.exec(SCHEMA)
    const pages = other.pragma('page_count', { simple: true }) as number
    await db
      .transaction()
      .execute((trx) => sql`pragma max_page_count = ${sql.lit(pages + PAGES_LEFT)}`.execute(trx))
    return new World(db, file, other, JSON.stringify(program))
  }

  private constructor(db: Database, file: string, other: Sqlite.Database, program: string) {
    this.#db = db
    this.#file = file
    this.#other = other
    this.#mayFail = /flood|orphan|disk failure/.test(program)
  }

  async close(): Promise<void> {
    disk.isBroken = false
    await this.#db.destroy()
    this.#other.close()
  }

  async play(actor: Actor, id: string): Promise<void> {
    await this.#pause(actor.pause)
    if (actor.kind === 'write') return this.#playWrite(actor, id)
    if (actor.kind === 'reader') return this.#playReader(actor)
    if (actor.kind === 'disk failure') {
      disk.isBroken = true
      return
    }
    if (actor.kind === 'foreign') return this.#playForeign(actor, id)
    return this.#playTransaction(actor, id)
  }

  /** All that was acknowledged is there, in one order, and nothing else. */
  checkEnd(): void {
    const journal = this.#journal()
    assert.deepEqual(this.#othersEntries(), replay(journal))
    for (const [id, end] of this.#ends) {
      const own = journal.filter(({ value }) => value.startsWith(`${id}.`))
      const base = this.#bases.get(id)
      if (end === 'refused') assert.deepEqual(own, [], `${id} was refused`)
      else if (end === 'unknown' && own.length === 0) continue
      else if (base !== undefined) {
        const { count, entries, effects } = base
        assert.deepEqual(journal.slice(count, count + effects.length), effects, `${id} is whole`)
        assert.deepEqual(own, effects)
        assert.deepEqual(entries, replay(journal.slice(0, count)), `${id} saw all before it`)
      }
    }
  }

  async #playWrite({ op }: SingleWrite, id: string): Promise<void> {
    const value = `${id}.0`
    const before = this.#committed()
    const outcome = await this.#try(this.#db, op, value)
    const journal = this.#journal()
    const place = journal.findIndex((effect) => effect.value === value)
    if (typeof outcome !== 'number') {
      this.#refused(id, outcome)
      if (outcome !== 'duplicate') return
      // The key was there at some moment of the wait.
      const states = Array.from({ length: journal.length - before + 1 }, (_, i) =>
        journal.slice(0, before + i)
      )
      return assert.ok(states.some((state) => replay(state).has((op as { key: string }).key)))
    }
    assert.equal(place >= 0, outcome === 1, `${id} is on the disk when that is told`)
    if (place < 0) return
    assert.equal(new Draft(replay(journal.slice(0, place))).apply(op, value), outcome)
    this.#committedBy(id, place + 1)
    await this.#readOutside()
  }

  async #playReader({ glances }: Reader): Promise<void> {
    // As a request does, that has been read from its socket.
    if (glances) await this.#pause('poll')
    if (glances) this.#db.dataVersion()
    await this.#readOutside()
  }

  async #readOutside(): Promise<void> {
    const told = this.#told
    const { count, entries } = await readAll(this.#db)
    assert.ok(count >= told, 'what was told is found')
    assert.ok(count <= this.#committed(), 'what is not committed is not seen')
    assert.deepEqual(entries, replay(this.#journal().slice(0, count)))
  }

  /** Another process that writes, if it gets the lock. */
  async #playForeign({ holds, commits }: Foreigner, id: string): Promise<void> {
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

  async #playTransaction(actor: Transaction, id: string): Promise<void> {
    try {
      if (actor.kind === 'transaction') {
        await this.#db.transaction().execute((trx) => this.#perform(trx, actor, id))
      } else await this.#control(actor, id)
    } catch (error) {
      return this.#refused(id, error)
    }
    const { count, effects } = this.#bases.get(id) as { count: number; effects: Effect[] }
    this.#committedBy(id, count + effects.length)
    await this.#readOutside()
  }

  async #control(actor: Transaction, id: string): Promise<void> {
    const trx = await this.#db.startTransaction().execute()
    try {
      await this.#perform(trx, actor, id)
      await trx.commit().execute()
    } catch (error) {
      await trx.rollback().execute()
      throw error
    }
  }

  async #perform(trx: Db, { steps, commits }: Transaction, id: string) {
    assert.equal(this.#active, undefined, 'transactions take turns')
    this.#active = id
    try {
      const { count, entries } = await readAll(trx)
      const draft = new Draft(entries)
      for (const [index, { pause, op, isCaught }] of steps.entries()) {
        await this.#pause(pause)
        await this.#performStep(trx, draft, op, `${id}.${index}`, isCaught)
      }
      this.#bases.set(id, { count, entries, effects: draft.effects })
      if (!commits) throw new Refusal('by itself')
    } finally {
      this.#active = undefined
    }
  }

  async #performStep(trx: Db, draft: Draft, op: Op, value: string, isCaught: boolean): Promise<void> {
    if (op.do === 'readOutside') return this.#readOutside()
    if (op.do === 'read') {
      if (draft.isLost) return assert.rejects(readAll(trx), { name: 'TransactionLost' })
      return assert.deepEqual((await readAll(trx)).entries, draft.entries)
    }
    const outcome = await this.#try(trx, op, value)
    assert.equal(outcome, draft.apply(op, value), JSON.stringify(op))
    if (typeof outcome !== 'number' && !isCaught) throw new Refusal(outcome)
  }

  async #try(db: Db, op: Change, value: string): Promise<Outcome> {
    try {
      if ('name' in op) return await moveSavepoint(db as ControlledTransaction<Tables>, op)
      return Number((await statementOf(op, value).execute(db)).numAffectedRows)
    } catch (error) {
      return outcomeOf(error)
    }
  }

  #refused(id: string, reason: unknown): void {
    if (reason === 'unknown' || isOfBrokenDisk(reason)) {
      met.unknown += 1
      this.#ends.set(id, 'unknown')
      return
    }
    const isOwn = reason instanceof Refusal || reason === 'duplicate'
    const isLost = reason === 'full' || reason === 'broken' || isUnavailable(reason) || isBroken(reason)
    assert.ok(isOwn || (isLost && this.#mayFail), String((reason as Error).stack ?? reason))
    if (isOwn) met.rolledBack += 1
    else met.lost += 1
    met.refused += 1
    this.#ends.set(id, 'refused')
    // What it was refused for is there, unless that was lost too.
    const base = this.#bases.get(id)
    if (isOwn && base !== undefined && !this.#mayFail) assert.ok(this.#committed() >= base.count)
  }

  #committedBy(id: string, end: number): void {
    assert.ok(this.#committed() >= end, `${id} is on the disk when that is told`)
    if (this.#told >= end) met.shared += 1
    this.#told = Math.max(this.#told, end)
    met.committed += 1
    this.#ends.set(id, 'committed')
  }

  async #pause(pause: Pause): Promise<void> {
    if (pause === 'microtask') await null
    if (pause === 'immediate') await roundEnd()
    if (pause === 'timer') await timer(0)
    if (pause === 'poll') await stat(this.#file)
  }

  #committed(): number {
    return this.#other.prepare('select count(*) from journal').pluck().get() as number
  }

  #journal(): Effect[] {
    return this.#other.prepare('select key, value from journal order by seq').all() as Effect[]
  }

  #othersEntries(): Entries {
    return new Map(this.#other.prepare('select key, value from entries').raw().all() as [string, string][])
  }
}

/** Syncs as ever, until the disk is broken. */
function breakableSync(): void {
  const { fdatasync } = fs
  fs.fdatasync = ((handle, done) => {
    if (disk.isBroken) setImmediate(done, new Error('EIO: i/o error, fdatasync'))
    else fdatasync(handle, done)
  }) as typeof fdatasync
  syncBuiltinESMExports()
}

class Refusal extends Error {}

async function readAll(db: Db): Promise<{ count: number; entries: Entries }> {
  const { rows } = await sql<{ count: number; entries: string }>`
    select (select count(*) from journal) as count,
      (select json_group_array(json_array(key, value)) from entries) as entries`.execute(db)
  const { count, entries } = rows[0] as { count: number; entries: string }
  return { count, entries: new Map(JSON.parse(entries)) }
}

function statementOf(op: Write, value: string) {
  if (op.do === 'flood') return sql`insert into ballast values (zeroblob(${FLOOD_BYTES}))`
  if (op.do === 'orphan') return sql`insert into orphans values (1)`
  if (op.do === 'insert') return sql`insert into entries values (${op.key}, ${value})`
  if (op.do === 'touch') return sql`update entries set value = ${value} where key = ${op.key}`
  return sql`insert into entries values (${op.key}, ${value})
    on conflict (key) do update set value = excluded.value`
}

async function moveSavepoint(trx: ControlledTransaction<Tables>, op: Savepoint) {
  if (op.do === 'savepoint') await trx.savepoint(op.name).execute()
  else if (op.do === 'rollbackTo') await trx.rollbackToSavepoint(op.name as never).execute()
  else await trx.releaseSavepoint(op.name as never).execute()
  return 0
}

function isBroken(error: unknown): boolean {
  return (error as { code?: string }).code === 'SQLITE_CONSTRAINT_FOREIGNKEY'
}

function isOfBrokenDisk(error: unknown): boolean {
  return (error as Error).name === 'DatabaseBroken'
}

function outcomeOf(error: unknown): Outcome {
  if (isOfBrokenDisk(error)) return 'unknown'
  const { code, name, message } = error as { code?: string; name: string; message: string }
  if (code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return 'duplicate'
  if (code === 'SQLITE_FULL') return 'full'
  if (isBroken(error)) return 'broken'
  if (name === 'TransactionLost') return 'lost'
  if (message.startsWith('no such savepoint')) return 'no such savepoint'
  throw error
}
