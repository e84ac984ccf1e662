import assert from 'node:assert/strict'
import path from 'node:path'
import { setImmediate as tickEnd, setTimeout as timer } from 'node:timers/promises'
import pg from 'pg'
import { type Database, openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { TAKE_WRITE_LOCK } from '../../../db/postgres/write-lock.ts'
import { Problem } from '../../../db/problems.ts'
import type { Db } from '../../../db/tables.ts'
import { callOf } from '../writer/calls.ts'
import { type Effect, replay } from '../writer/oracle.ts'
import { findAll, hooks, killers, play, type Report } from './commands/playing.ts'
import { expected } from './oracle.ts'
import { type Actor, type Caller, type Foreigner, INSTANCES, type Killer, type Pause } from './program.ts'

export const COMMANDS = path.join(import.meta.dirname, 'commands')
const SCHEMA = `
  create table entries (key text primary key, value text not null);
  create table journal (seq bigint primary key, key text not null, value text not null);
  create function note_entry() returns trigger language plpgsql as $$ begin
    insert into journal select coalesce(max(seq), 0) + 1, new.key, new.value from journal;
    return null; end $$;
  create trigger noted after insert or update on entries for each row execute function note_entry();
  create table parents (id integer primary key);
  create table orphans (parent integer references parents (id) deferrable initially deferred)`
const LONGEST_WAIT_MS = 60_000

/** What all runs together came across; a property that never meets a failure proves nothing. */
export const met = { committed: 0, refused: 0, failedAlone: 0, shared: 0, foreign: 0, killed: 0 }

/** Several instances on one database, another connection to it, and what is known of all. */
export class World {
  readonly #url: string
  readonly #instances: Database[]
  readonly #other: pg.Client
  /** How much of the journal was acknowledged. */
  #acknowledged = 0
  #mayFail = false
  readonly #ends: (() => Promise<void>)[] = []

  /** The instances may come to the database another way. */
  static async open(url: string, instancesUrl = url): Promise<World> {
    const other = await connect(url)
    await other.query(SCHEMA)
    const open = () => openDatabase(instancesUrl, { commandFolders: [COMMANDS] })
    const instances = [await open()]
    while (instances.length < INSTANCES) instances.push(await open())
    return new World(url, instances, other)
  }

  private constructor(url: string, instances: Database[], other: pg.Client) {
    this.#url = url
    this.#instances = instances
    this.#other = other
    hooks.kill = async (processId) => {
      met.killed += 1
      await other.query('select pg_terminate_backend($1, $2)', [processId, LONGEST_WAIT_MS])
    }
  }

  /** Plays a program from an empty table, and checks all that it was told. */
  async play(actors: Actor[]): Promise<void> {
    await this.#other.query('truncate entries, journal, orphans')
    this.#acknowledged = 0
    this.#ends.length = 0
    killers.clear()
    this.#mayFail = actors.some(({ kind }) => kind === 'killer') || JSON.stringify(actors).includes('"kill"')
    const played = Promise.allSettled(actors.map((actor, i) => this.#playOne(actor, `actor${i}`)))
    const overdue = new AbortController()
    const lost = timer(LONGEST_WAIT_MS, undefined, { signal: overdue.signal }).then(() => {
      throw new Error('an answer was lost')
    })
    const results = await Promise.race([played, lost])
    overdue.abort()
    await lost.catch(() => {})
    for (const result of results) if (result.status === 'rejected') throw result.reason
    if (this.#mayFail) await this.#recover()
    assert.deepEqual((await findAll(this.#reads(0))).entries, replay(await this.#journal()))
    for (const check of this.#ends) await check()
  }

  /** Until all instances have found out what they lost, so that the next program meets none of it. */
  async #recover(): Promise<void> {
    for (let i = 0; i < INSTANCES; i += 1) {
      const find = () =>
        findAll(this.#reads(i)).catch((error) => (isUnavailable(error) ? undefined : Promise.reject(error)))
      while ((await find()) === undefined) await timer(10)
    }
  }

  async close(): Promise<void> {
    for (const instance of this.#instances) await instance.close()
    await this.#other.end()
  }

  async #playOne(actor: Actor, id: string): Promise<void> {
    await pauseFor(actor.pause)
    if (actor.kind === 'caller') return this.#playCaller(actor, id)
    if (actor.kind === 'reader') return this.#read(actor.instance)
    if (actor.kind === 'killer') return this.#kill(actor)
    return this.#playForeigner(actor, id)
  }

  async #playCaller({ instance, steps }: Caller, id: string): Promise<void> {
    const database = this.#instances[instance] as Database
    const result = await database.run(callOf(play, { who: id, steps })).then(
      (output) => ({ output: output as Report }),
      (error: Error) => ({ error })
    )
    if ('output' in result) {
      await this.#acknowledge(id, steps, result.output)
      // Of another instance.
      await this.#read((instance + 1) % INSTANCES)
    } else if (result.error instanceof Problem) {
      await this.#refuse(id, steps, JSON.parse(result.error.details[0] as string))
    } else if (isUnavailable(result.error)) this.#loseSight(id, steps, result.error)
    else this.#fail(id, steps, result.error)
  }

  async #acknowledge(id: string, steps: Caller['steps'], report: Report): Promise<void> {
    assert.equal(report.who, id, 'it is its own answer')
    const { end, outcomes, effects } = expected(id, steps, report.found)
    assert.deepEqual([report.outcomes, 'done'], [outcomes, end])
    const { count, entries } = report.found
    const checkNow = async () => {
      const journal = await this.#journal()
      assert.deepEqual(journal.slice(count, count + effects.length), effects, `${id} is on the disk`)
      assert.deepEqual(own(journal, id), effects, `${id} is there once`)
      assert.deepEqual(entries, replay(journal.slice(0, count)), `${id} saw all before it`)
    }
    if (this.#acknowledged >= count + effects.length) met.shared += 1
    await checkNow()
    this.#ends.push(checkNow)
    this.#acknowledged = Math.max(this.#acknowledged, count + effects.length)
    met.committed += 1
  }

  /** It was refused for what is on the disk, and nothing of it is. */
  async #refuse(id: string, steps: Caller['steps'], report: Report): Promise<void> {
    assert.equal(report.who, id, 'it is its own refusal')
    const { end, outcomes } = expected(id, steps, report.found)
    assert.deepEqual([report.outcomes, 'refused'], [outcomes, end])
    const checkNow = async () => {
      const journal = await this.#journal()
      assert.deepEqual(report.found.entries, replay(journal.slice(0, report.found.count)))
      assert.deepEqual(own(journal, id), [], `${id} was refused`)
    }
    await checkNow()
    this.#ends.push(checkNow)
    met.refused += 1
  }

  /** Only what itself broke the foreign key fails. */
  #fail(id: string, steps: Caller['steps'], error: Error): void {
    assert.match(error.message, /violates foreign key constraint/, error.stack)
    assert.ok(steps.some(({ op }) => op.do === 'orphan'))
    this.#ends.push(async () => assert.deepEqual(own(await this.#journal(), id), [], `${id} failed`))
    met.failedAlone += 1
  }

  /** All of it is there or nothing. */
  #loseSight(id: string, steps: Caller['steps'], error: Error): void {
    assert.ok(this.#mayFail, error.stack)
    this.#ends.push(async () => {
      const journal = await this.#journal()
      const written = own(journal, id)
      if (written.length === 0) return
      const at = journal.findIndex(({ value }) => value === written[0]?.value)
      const before = journal.slice(0, at)
      const { effects } = expected(id, steps, { count: at, entries: replay(before) })
      assert.deepEqual(journal.slice(at, at + written.length), effects, `${id} is whole`)
    })
  }

  async #read(instance: number): Promise<void> {
    const acknowledged = this.#acknowledged
    const found = await findAll(this.#reads(instance)).catch((error) => error as Error)
    if (found instanceof Error) {
      assert.ok(this.#mayFail && isUnavailable(found), found.stack)
      return
    }
    const { count, entries } = found
    const journal = await this.#journal()
    assert.ok(count >= acknowledged, 'what was acknowledged is found')
    assert.ok(count <= journal.length, 'what is not committed is not seen')
    assert.deepEqual(entries, replay(journal.slice(0, count)))
  }

  async #kill({ instance, ofAll }: Killer): Promise<void> {
    const some = ofAll ? ['library-api%', 100, 0] : ['library-api writes', 1, instance]
    const { rows } = await this.#other.query(
      `select pg_terminate_backend(pid, ${LONGEST_WAIT_MS}) from (
        select pid from pg_stat_activity
        where datname = current_database() and application_name like $1 order by pid limit $2 offset $3
      ) as found`,
      some
    )
    met.killed += rows.length
  }

  async #playForeigner({ holds, commits }: Foreigner, id: string): Promise<void> {
    const foreign = await connect(this.#url)
    try {
      await foreign.query(`begin; select ${TAKE_WRITE_LOCK}`)
      met.foreign += 1
      await foreign.query(
        'insert into entries values ($1, $2) on conflict (key) do update set value = excluded.value',
        ['k1', `${id}.0`]
      )
      for (const pause of holds) await pauseFor(pause)
      await foreign.query(commits ? 'commit' : 'rollback')
    } finally {
      await foreign.end()
    }
  }

  #reads(instance: number): Db {
    return this.#instances[instance]?.reads as Db
  }

  async #journal(): Promise<Effect[]> {
    return (await this.#other.query('select key, value from journal order by seq')).rows
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, pipeline: true } as pg.ClientConfig)
  await client.connect()
  return client
}

async function pauseFor(pause: Pause): Promise<void> {
  if (pause === 'microtask') await null
  if (pause === 'immediate') await tickEnd()
  if (pause === 'timer') await timer(Math.random() * 10)
}

function own(journal: Effect[], id: string): Effect[] {
  return journal.filter(({ value }) => value.startsWith(`${id}.`))
}
