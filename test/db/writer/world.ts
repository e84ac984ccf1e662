import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as timer } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { type Database, openDatabase } from '../../../db/database.ts'
import type { Db } from '../../../db/tables.ts'
import { callOf } from '../model/calls.ts'
import type { Effect } from '../model/oracle.ts'
import type { Found } from '../model/playing.ts'
import type { Foreigner, Pause } from '../model/program.ts'
import { ModelWorld, met as metByAny, pauseFor } from '../model/world.ts'
import { findAll, play } from './commands/playing.ts'
import type { Actor } from './program.ts'

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
const LONGEST_RESTART_MS = 30_000
const UNSYNCED = /synced|disk I\/O/

export const met = Object.assign(metByAny, { unknown: 0, died: 0 })

/** A database with its writer, another connection to it, and what is known of both. */
export class World extends ModelWorld<Actor> {
  readonly #file: string
  #db: Database
  readonly #other: Sqlite.Database
  #isDiskBroken = false
  protected readonly brokenReference = /FOREIGN KEY constraint failed/

  static async open(folder: string): Promise<World> {
    const file = path.join(folder, `${process.hrtime.bigint()}.db`)
    const db = await open(file)
    const other = new Sqlite(file, { timeout: 2000 })
    other.pragma('synchronous = 0')
    other.exec(SCHEMA)
    return new World(file, db, other)
  }

  private constructor(file: string, db: Database, other: Sqlite.Database) {
    super()
    this.#file = file
    this.#db = db
    this.#other = other
  }

  override async play(actors: Actor[]): Promise<void> {
    await super.play(actors)
    if (this.#isDiskBroken) await this.#restart()
  }

  async close(): Promise<void> {
    await this.#db.close()
    this.#other.close()
  }

  protected async begin(actors: Actor[]): Promise<void> {
    await this.#writable()
    this.#other.exec('delete from entries; delete from journal; delete from orphans')
    this.mayFail = /die|break|flood/.test(JSON.stringify(actors))
  }

  protected async playOne(actor: Actor, id: string): Promise<void> {
    await this.#pause(actor.pause)
    if (actor.kind === 'foreigner') return this.#playForeigner(actor, id)
    if (actor.kind === 'reader') return this.read(0)
    const { steps } = actor
    return this.settle({ id, steps, readsAt: 0 }, this.#db.run(callOf(play, { who: id, steps })))
  }

  protected findAll(): Promise<Found> {
    return findAll(this.#db.reads as Db)
  }

  protected async journal(): Promise<Effect[]> {
    return this.#other.prepare('select key, value from journal order by seq').all() as Effect[]
  }

  protected override noteFailure({ message }: Error): void {
    met.unknown += 1
    if (UNSYNCED.test(message)) this.#isDiskBroken = true
    if (/thread ended/.test(message)) met.died += 1
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
    if (pause === 'poll') await stat(this.#file)
    else await pauseFor(pause, 0)
  }
}

function open(file: string): Promise<Database> {
  return openDatabase(file, { commandFolders: [COMMANDS] })
}
