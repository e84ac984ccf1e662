import assert from 'node:assert/strict'
import { setImmediate as tickEnd, setTimeout as timer } from 'node:timers/promises'
import { isUnavailable } from '../../../db/dialect.ts'
import { Problem } from '../../../db/problems.ts'
import { type Effect, expected, replay } from './oracle.ts'
import type { Found, Report, Step } from './playing.ts'
import type { Pause } from './program.ts'

/** A disk may take seconds over a sync while others write much; an answer that is lost never comes. */
export const LONGEST_WAIT_MS = 60_000
const LONGEST_WAIT_FOR_MUTANTS_MS = 5000

/** What all runs together came across; a property that never meets a failure proves nothing. */
export const met = { committed: 0, refused: 0, failedAlone: 0, shared: 0, foreign: 0 }

/** A database in use by all kinds of actors, and what is known of it: the same on both engines. */
export abstract class ModelWorld<Actor> {
  /** How much of the journal was acknowledged. */
  #acknowledged = 0
  /** Whether anything may happen to what is asked in this run. */
  protected mayFail = false
  readonly #ends: (() => Promise<void>)[] = []

  protected abstract playOne(actor: Actor, id: string): Promise<void>
  /** What is committed, as another connection sees it. */
  protected abstract journal(): Promise<Effect[]>
  protected abstract findAll(instance: number): Promise<Found>
  /** What the engine says at a COMMIT to a row that refers to none. */
  protected abstract readonly brokenReference: RegExp
  /** The tables are empty now. */
  protected abstract begin(actors: Actor[]): Promise<void>

  /** Plays a program from an empty table, and checks all that it was told. */
  async play(actors: Actor[]): Promise<void> {
    await this.begin(actors)
    this.#acknowledged = 0
    this.#ends.length = 0
    const played = Promise.allSettled(actors.map((actor, i) => this.playOne(actor, `actor${i}`)))
    const overdue = new AbortController()
    const longestMs = process.env.MUTANT === undefined ? LONGEST_WAIT_MS : LONGEST_WAIT_FOR_MUTANTS_MS
    const lost = timer(longestMs, undefined, { signal: overdue.signal }).then(() => {
      throw new Error('an answer was lost')
    })
    const results = await Promise.race([played, lost])
    overdue.abort()
    await lost.catch(() => {})
    for (const result of results) if (result.status === 'rejected') throw result.reason
    if (this.mayFail) await this.recover()
    const { entries } = await this.findAll(0)
    assert.deepEqual(entries, replay(await this.journal()))
    for (const check of this.#ends) await check()
  }

  /** Checks what a caller was told, and what an instance finds after that. */
  protected async settle(
    { id, steps, readsAt }: { id: string; steps: Step[]; readsAt: number },
    call: Promise<unknown>
  ): Promise<void> {
    const error = await call.then(
      async (output) => {
        await this.#acknowledge(id, steps, output as Report)
        await this.read(readsAt)
      },
      (error: Error) => error
    )
    if (!(error instanceof Error)) return
    if (error instanceof Problem) await this.#refuse(id, steps, JSON.parse(error.details[0] as string))
    else if (isUnavailable(error)) this.#loseSight(id, steps, error)
    else this.#fail(id, steps, error)
  }

  protected async read(instance: number): Promise<void> {
    const acknowledged = this.#acknowledged
    const found = await this.findAll(instance).catch((error) => error as Error)
    if (found instanceof Error) {
      assert.ok(this.mayFail && isUnavailable(found), found.stack)
      return
    }
    const { count, entries } = found
    const journal = await this.journal()
    assert.ok(count >= acknowledged, 'what was acknowledged is found')
    assert.ok(count <= journal.length, 'what is not committed is not seen')
    assert.deepEqual(entries, replay(journal.slice(0, count)))
  }

  async #acknowledge(id: string, steps: Step[], report: Report): Promise<void> {
    assert.equal(report.who, id, 'it is its own answer')
    const { end, outcomes, effects } = expected(id, steps, report.found)
    assert.deepEqual([report.outcomes, 'done'], [outcomes, end])
    const { count, entries } = report.found
    const checkNow = async () => {
      const journal = await this.journal()
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
  async #refuse(id: string, steps: Step[], report: Report): Promise<void> {
    assert.equal(report.who, id, 'it is its own refusal')
    const { end, outcomes } = expected(id, steps, report.found)
    assert.deepEqual([report.outcomes, 'refused'], [outcomes, end])
    const checkNow = async () => {
      const journal = await this.journal()
      assert.deepEqual(report.found.entries, replay(journal.slice(0, report.found.count)))
      assert.deepEqual(own(journal, id), [], `${id} was refused`)
    }
    await checkNow()
    this.#ends.push(checkNow)
    met.refused += 1
  }

  /** Only what itself broke the foreign key fails. */
  #fail(id: string, steps: Step[], error: Error): void {
    assert.match(error.message, this.brokenReference, error.stack)
    assert.ok(steps.some(({ op }) => op.do === 'orphan'))
    this.#ends.push(async () => assert.deepEqual(own(await this.journal(), id), [], `${id} failed`))
    met.failedAlone += 1
  }

  /** All of it is there or nothing. */
  #loseSight(id: string, steps: Step[], error: Error): void {
    assert.ok(this.mayFail, error.stack)
    this.noteFailure(error)
    this.#ends.push(async () => {
      const journal = await this.journal()
      const written = own(journal, id)
      if (written.length === 0) return
      const at = journal.findIndex(({ value }) => value === written[0]?.value)
      const before = journal.slice(0, at)
      const { effects } = expected(id, steps, { count: at, entries: replay(before) })
      assert.deepEqual(journal.slice(at, at + written.length), effects, `${id} is whole`)
    })
  }

  /** Resolves when nothing of what failed can be met later. */
  protected async recover(): Promise<void> {}

  protected noteFailure(_error: Error): void {}
}

export async function pauseFor(pause: Exclude<Pause, 'poll'>, longestMs: number): Promise<void> {
  if (pause === 'microtask') await null
  if (pause === 'immediate') await tickEnd()
  if (pause === 'timer') await timer(Math.random() * longestMs)
}

function own(journal: Effect[], id: string): Effect[] {
  return journal.filter(({ value }) => value.startsWith(`${id}.`))
}
