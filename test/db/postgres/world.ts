import path from 'node:path'
import { setTimeout as timer } from 'node:timers/promises'
import fc from 'fast-check'
import pg from 'pg'
import type { Test } from 'tap'
import { type Database, openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { TAKE_WRITE_LOCK } from '../../../db/postgres/locks.ts'
import type { Db } from '../../../db/tables.ts'
import { callOf } from '../model/calls.ts'
import type { Effect } from '../model/oracle.ts'
import type { Found } from '../model/playing.ts'
import type { Foreigner, Pause } from '../model/program.ts'
import { LONGEST_WAIT_MS, ModelWorld, met as metByAny, pauseFor } from '../model/world.ts'
import { findAll, hooks, killers, play } from './commands/playing.ts'
import { type Actor, INSTANCES, type Killer, program } from './program.ts'

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
const LONGEST_PAUSE_MS = 10

export const met = Object.assign(metByAny, { killed: 0 })

/** Several instances on one database, another connection to it, and what is known of all. */
export class World extends ModelWorld<Actor> {
  readonly #url: string
  readonly #instances: Database[]
  readonly #other: pg.Client
  protected readonly brokenReference = /violates foreign key constraint/

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
    super()
    this.#url = url
    this.#instances = instances
    this.#other = other
    hooks.kill = async (processId) => {
      met.killed += 1
      await other.query('select pg_terminate_backend($1, $2)', [processId, LONGEST_WAIT_MS])
    }
  }

  async close(): Promise<void> {
    for (const instance of this.#instances) await instance.close()
    await this.#other.end()
  }

  protected async begin(actors: Actor[]): Promise<void> {
    await this.#other.query('truncate entries, journal, orphans')
    killers.clear()
    this.mayFail = actors.some(({ kind }) => kind === 'killer') || JSON.stringify(actors).includes('"kill"')
  }

  /** Until all instances have found out what they lost, so that the next program meets none of it. */
  protected override async recover(): Promise<void> {
    for (let i = 0; i < INSTANCES; i += 1) {
      const find = () =>
        this.findAll(i).catch((error) => (isUnavailable(error) ? undefined : Promise.reject(error)))
      while ((await find()) === undefined) await timer(10)
    }
  }

  protected async playOne(actor: Actor, id: string): Promise<void> {
    await pause(actor.pause)
    if (actor.kind === 'reader') return this.read(actor.instance)
    if (actor.kind === 'killer') return this.#kill(actor)
    if (actor.kind === 'foreigner') return this.#playForeigner(actor, id)
    const { instance, steps } = actor
    const { run } = this.#instances[instance] as Database
    // Another instance finds it.
    const caller = { id, steps, readsAt: (instance + 1) % INSTANCES }
    return this.settle(caller, run(callOf(play, { who: id, steps })))
  }

  protected findAll(instance: number): Promise<Found> {
    return findAll(this.#instances[instance]?.reads as Db)
  }

  protected async journal(): Promise<Effect[]> {
    return (await this.#other.query('select key, value from journal order by seq')).rows
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
      for (const one of holds) await pause(one)
      await foreign.query(commits ? 'commit' : 'rollback')
    } finally {
      await foreign.end()
    }
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, pipeline: true } as pg.ClientConfig)
  await client.connect()
  return client
}

function pause(kind: Pause): Promise<void> {
  return pauseFor(kind as Exclude<Pause, 'poll'>, LONGEST_PAUSE_MS)
}

/** Plays so many random programs, and closes the world. */
export async function playPrograms(t: Test, world: World, numRuns: number): Promise<void> {
  try {
    const property = fc.asyncProperty(program, (actors) => world.play(actors))
    const result = await fc.check(property, { numRuns, endOnFailure: true })
    t.notOk(
      result.failed,
      `${fc.defaultReportMessage(result)} ${(result.errorInstance as Error | null)?.stack}`
    )
  } finally {
    await world.close()
  }
}
