import { findBearer } from './bearers.ts'
import {
  type Actor,
  type AnswerForm,
  type Call,
  type Command,
  commandNamed,
  type Representation
} from './command.ts'
import {
  type Answer,
  type AnsweredKey,
  erasedIn,
  findKept,
  type Kept,
  keepAnswers,
  keptAnswerOf
} from './idempotency-keys.ts'
import { Problem } from './problems.ts'
import type { Db, ReadDb } from './tables.ts'
import { hasRole } from './users.ts'

/** What the door asks for first. */
export interface Foreseen {
  bearer: Awaited<ReturnType<typeof findBearer>>
  kept: Kept | undefined
}

/** Asks for what `runCall` asks for first, so that an engine can ask it for many calls together. */
export async function foresee(db: ReadDb, { credential, form, stamp }: Call): Promise<Foreseen> {
  const bearer = credential && (await findBearer(db, credential, stamp.at))
  const kept = bearer && form?.once && (await findKept(db, bearer.number, form.once.key))
  return { bearer, kept }
}

/**
 * Runs a call in its transaction: first looks again at who asks, for while the body came in or a password was hashed, their session
 * or role may have ended. Gives the command's output, or with a form the answer that is to be sent: that of the first
 * request, when its `Idempotency-Key` was answered before. Throws a `Problem`. What is `foreseen` must be so in this transaction still.
 */
export async function runCall(trx: Db, call: Call, foreseen?: Foreseen): Promise<unknown> {
  const command = commandNamed(call.command)
  const actor = await admit(trx, command, call, foreseen)
  const run = () => command.run(trx, inputOf(call, actor))
  if (call.form === undefined) return run()
  return answerTo(trx, call, { actor, form: call.form, foreseen }, run as () => Promise<Representation>)
}

/** What a command gets. */
export function inputOf({ input, stamp, operator }: Call, actor: Actor | undefined): never {
  return { ...input, ...stamp, actor, operator } as never
}

/** Who may run the command by the call's credential. Throws a `Problem`. */
export async function admit(
  trx: Db,
  { caller }: Command<object, unknown>,
  { credential, stamp }: Call,
  foreseen: Pick<Foreseen, 'bearer'> | undefined
) {
  if (caller === 'service') return undefined
  if (credential === undefined && caller === 'admin or operator') return undefined
  if (credential === undefined) throw new Problem('INVALID_TOKEN', [])
  const { bearer: user } = foreseen ?? { bearer: await findBearer(trx, credential, stamp.at) }
  if (user?.id !== credential.id) throw new Problem('INVALID_TOKEN', [])
  const role = caller === 'admin or operator' ? 'admin' : caller
  if (role === 'admin' && credential.keyHash !== undefined) throw new Problem('ACCESS_TOKEN_ONLY', [])
  if (!hasRole(user, role)) throw new Problem('ROLE_REQUIRED', [role])
  // A key of an admin is an editor's.
  const actor: Actor = {
    id: user.id,
    number: user.number,
    role: hasRole(credential, user.role) ? user.role : credential.role
  }
  return actor
}

async function answerTo(
  trx: Db,
  call: Call,
  { actor, form, foreseen }: { actor: Actor | undefined; form: AnswerForm; foreseen: Foreseen | undefined },
  run: () => Promise<Representation>
): Promise<Answer> {
  if (form.once === undefined || actor === undefined) return toAnswer(await run(), form)
  const { key, fingerprint } = form.once
  const found = foreseen === undefined ? await findKept(trx, actor.number, key) : foreseen.kept
  const kept = found && (await keptAnswerOf(trx, found, call.stamp.at))
  if (kept !== undefined && kept.fingerprint !== fingerprint) throw new Problem('IDEMPOTENCY_KEY_REUSED', [])
  if (kept !== undefined) return asKept(kept.answer)
  const answer = toAnswer(await run(), form)
  await keepAnswers(trx, toKeep(call, actor, answer))
  return answer
}

/** The answer with its key, if the call has one. */
export function toKeep({ form, stamp }: Call, actor: Actor, answer: Answer): AnsweredKey[] {
  if (form?.once === undefined) return []
  return [{ ...form.once, userNumber: actor.number, at: stamp.at, answer }]
}

function asKept(answer: Answer): Answer {
  const purged = erasedIn(answer)
  if (purged !== undefined) throw new Problem('AUTHOR_PURGED', [purged])
  return answer
}

export function toAnswer(
  { location, etag, body }: Representation,
  { status, preferred }: AnswerForm
): Answer {
  const headers: Record<string, string> = {}
  if (location !== undefined) headers.location = location
  if (etag !== undefined) headers.etag = etag
  if (body === null) return { status, headers, body }
  if (preferred !== undefined) headers['preference-applied'] = `return=${preferred}`
  if (preferred !== 'minimal') return { status, headers, body }
  // A 200 without a body is a 204.
  return { status: status === 200 ? 204 : status, headers, body: null }
}
