import { findBearer } from './bearers.ts'
import { type Actor, type AnswerForm, type Call, commandNamed, type Representation } from './command.ts'
import { admit, type Foreseen, inputOf, runCall, toAnswer, toKeep } from './door.ts'
import { type Answer, findUsedKeys, keepAnswers } from './idempotency-keys.ts'
import { itemsBefore } from './items-before.ts'
import { Problem } from './problems.ts'
import type { Db, ReadDb } from './tables.ts'

/** On PostgreSQL a create takes a sixth less of the processor than with 32. */
const MOST_CALLS = 64

/**
 * Which calls of a batch are tried together. After some of which not all could be, the next one is run by itself, and after it twice as many each
 * time: where most are special, no more is looked up for groups than for single calls.
 */
export class Groups {
  #most = MOST_CALLS

  /** The call at this index, with those after it that are tried together with it, up to the index `end`. */
  at(calls: readonly Call[], index: number, end: number): Call[] {
    const first = calls[index] as Call
    if (commandNamed(first.command).runTogether === undefined) return [first]
    const most = Math.min(end, index + this.#most)
    const isLike = ({ command, form }: Call) => command === first.command && form !== undefined
    let next = index
    while (next < most && isLike(calls[next] as Call)) next += 1
    return calls.slice(index, Math.max(next, index + 1))
  }

  /** So many of a group were done, and none was refused. */
  note(done: number, tried: number): void {
    this.#most = done < tried ? 1 : Math.min(2 * this.#most, MOST_CALLS)
  }
}

interface Admitted {
  call: Call
  form: AnswerForm
  actor: Actor
}

/**
 * Runs one call as `runCall` does, or the first of several of one command as it would one after the other, at less cost; gives the outputs of so many. When one of
 * several is refused, was answered before or is special to its command, it and those after it are left to be run.
 */
export async function runTogether(trx: Db, calls: readonly Call[], foreseen?: Foreseen): Promise<unknown[]> {
  const [first, ...others] = calls as [Call, ...Call[]]
  return others.length === 0 ? [await runCall(trx, first, foreseen)] : runSeveral(trx, calls)
}

async function runSeveral(trx: Db, calls: readonly Call[]): Promise<Answer[]> {
  const { runTogether: run } = commandNamed(calls[0]?.command as string)
  const admitted = await firstUnanswered(trx, await firstAdmitted(trx, calls))
  if (run === undefined || admitted.length === 0) return []
  const outputs = await run(
    trx,
    admitted.map(({ call, actor }) => inputOf(call, actor))
  )
  const done = outputs.map((output, index) => {
    const { call, form, actor } = admitted[index] as Admitted
    return { call, actor, answer: toAnswer(output as Representation, form) }
  })
  await keepAnswers(
    trx,
    done.flatMap(({ call, actor, answer }) => toKeep(call, actor, answer))
  )
  return done.map(({ answer }) => answer)
}

async function firstAdmitted(db: Db, calls: readonly Call[]): Promise<Admitted[]> {
  const bearers = await findBearers(db, calls)
  const admitted: Admitted[] = []
  for (const [index, call] of calls.entries()) {
    const foreseen = { bearer: bearers[index] }
    const actor = await admit(db, commandNamed(call.command), call, foreseen).catch(undefinedForProblem)
    if (actor === undefined) break
    admitted.push({ call, form: call.form as AnswerForm, actor })
  }
  return admitted
}

function undefinedForProblem(error: unknown): undefined {
  if (!(error instanceof Problem)) throw error
}

/** A session or key that several calls of one moment have is asked for once. */
function findBearers(db: ReadDb, calls: readonly Call[]) {
  const found = new Map<string, ReturnType<typeof findBearer>>()
  const bearers = calls.map(({ credential, stamp: { at } }) => {
    if (credential === undefined) return undefined
    const key = `${credential.sessionId} ${credential.keyHash} ${at}`
    const bearer = found.get(key) ?? findBearer(db, credential, at)
    found.set(key, bearer)
    return bearer
  })
  return Promise.all(bearers)
}

/** Those before the first that repeats a key, its own user's. */
async function firstUnanswered(db: ReadDb, admitted: readonly Admitted[]): Promise<Admitted[]> {
  const keys = admitted.flatMap(({ actor, form: { once } }) =>
    once === undefined ? [] : [{ userNumber: actor.number, key: once.key }]
  )
  const used = new Set((await findUsedKeys(db, keys)).map(nameOf))
  return itemsBefore(admitted, ({ actor, form: { once } }) => {
    if (once === undefined) return false
    const name = nameOf({ userNumber: actor.number, key: once.key })
    const isUsed = used.has(name)
    used.add(name)
    return isUsed
  })
}

function nameOf({ userNumber, key }: { userNumber: number; key: string }): string {
  return `${userNumber} ${key}`
}
