import { findBearer } from './bearers.ts'
import {
  type Actor,
  type AnswerForm,
  type Call,
  type Command,
  commandNamed,
  type Representation
} from './command.ts'
import { type Answer, erasedIn, findKeptAnswer, keepAnswer } from './idempotency-keys.ts'
import { Problem } from './problems.ts'
import type { Db } from './tables.ts'
import { hasRole } from './users.ts'

/**
 * Runs a call in its transaction: first looks again at who asks, for while the body came in or a password was hashed, their session
 * or role may have ended. Gives the command's output, or with a form the answer that is to be sent: that of the first
 * request, when its `Idempotency-Key` was answered before. Throws a `Problem`.
 */
export async function runCall(trx: Db, call: Call): Promise<unknown> {
  const command = commandNamed(call.command)
  const actor = await admit(trx, command, call)
  const run = () =>
    command.run(trx, { ...call.input, ...call.stamp, actor, operator: call.operator } as never)
  if (call.form === undefined) return run()
  return answerTo(trx, call, { actor, form: call.form }, run as () => Promise<Representation>)
}

async function admit(trx: Db, { caller }: Command<object, unknown>, { credential, stamp }: Call) {
  if (caller === 'service') return undefined
  if (credential === undefined && caller === 'admin or operator') return undefined
  if (credential === undefined) throw new Problem('INVALID_TOKEN', [])
  const user = await findBearer(trx, credential, stamp.at)
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
  { stamp }: Call,
  { actor, form }: { actor: Actor | undefined; form: AnswerForm },
  run: () => Promise<Representation>
): Promise<Answer> {
  if (form.once === undefined || actor === undefined) return toAnswer(await run(), form)
  const { key, fingerprint } = form.once
  const kept = await findKeptAnswer(trx, actor.number, key, stamp.at)
  if (kept !== undefined && kept.fingerprint !== fingerprint) throw new Problem('IDEMPOTENCY_KEY_REUSED', [])
  if (kept !== undefined) return asKept(kept.answer)
  const answer = toAnswer(await run(), form)
  await keepAnswer(trx, { userNumber: actor.number, key, fingerprint, at: stamp.at, answer })
  return answer
}

function asKept(answer: Answer): Answer {
  const purged = erasedIn(answer)
  if (purged !== undefined) throw new Problem('AUTHOR_PURGED', [purged])
  return answer
}

function toAnswer({ location, etag, body }: Representation, { status, preferred }: AnswerForm): Answer {
  const headers: Record<string, string> = {}
  if (location !== undefined) headers.location = location
  if (etag !== undefined) headers.etag = etag
  if (body === null) return { status, headers, body }
  if (preferred !== undefined) headers['preference-applied'] = `return=${preferred}`
  if (preferred !== 'minimal') return { status, headers, body }
  // A 200 without a body is a 204.
  return { status: status === 200 ? 204 : status, headers, body: null }
}
