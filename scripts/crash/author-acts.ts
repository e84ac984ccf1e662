/** The requests that create and change authors, and what the journal learns of their answers. */
import { randomInt } from 'node:crypto'
import type { Journal } from './journal.ts'
import { type Attempt, type Author, Life, randomContent } from './life.ts'
import { type Answer, type Call, type Client, tryAsk } from './requests.ts'

export interface AuthorAct {
  call: Call
  /** What it must be answered. */
  status: number
  /** Nothing when it must be refused. */
  attempt?: Attempt
}

/** Sends the request; whether it was answered. */
export async function perform(
  journal: Journal,
  client: Client,
  life: Life,
  { call, status, attempt }: AuthorAct
): Promise<boolean> {
  journal.lives.add(life)
  journal.touched.add(life)
  life.pending = attempt === undefined ? [] : [attempt]
  const answer = await tryAsk(client, call)
  if (answer === undefined) {
    journal.unknown += 1
    return false
  }
  life.pending = []
  const told = `${call.method} ${call.path} (${life.name}) answered ${answer.status} ${answer.text}`
  if (answer.status !== status) journal.distrust(life, told)
  else if (attempt !== undefined) {
    journal.acknowledged += 1
    const isRight = life.take(attempt, authorIn(answer), answer.etag ?? undefined)
    if (!isRight) journal.distrust(life, told)
  }
  return true
}

/** The author that was answered; none after a deletion. */
export function authorIn({ text }: Answer): Author | null {
  return text === '' ? null : JSON.parse(text)
}

/** The request that creates an author, the same each time. */
export function creation({ content, key }: Life): AuthorAct {
  const keyed = key !== undefined && { headers: { 'idempotency-key': key } }
  const call = { method: 'POST', path: '/authors', body: content, ...keyed } as const
  return { call, status: 201, attempt: { operation: 'created', content } }
}

/** A request that suits the author as it is. */
export function actOn(life: Life): AuthorAct {
  if (life.id === undefined) return creation(life)
  if (life.isDeleted) return restore(life)
  const acts = [replace, replace, patch, patch, remove, replaceStale, duplicate]
  return (acts[randomInt(acts.length)] as typeof replace)(life)
}

function replace(life: Life): AuthorAct {
  const content = randomContent(life.name)
  const headers = { 'if-match': life.etag ?? '*' }
  const call = { method: 'PUT', path: pathOf(life), headers, body: content } as const
  return { call, status: 200, attempt: { operation: 'replaced', content } }
}

function patch(life: Life): AuthorAct {
  const { birth_year, note } = randomContent()
  const call = { method: 'PATCH', path: pathOf(life), body: { birth_year, note } } as const
  const content = { ...life.lastContent, birth_year, note }
  return { call, status: 200, attempt: { operation: 'patched', content } }
}

function remove(life: Life): AuthorAct {
  const call = { method: 'DELETE', path: pathOf(life) } as const
  return { call, status: 204, attempt: { operation: 'deleted', content: null } }
}

function restore(life: Life): AuthorAct {
  const call = { method: 'POST', path: `${pathOf(life)}/restore` } as const
  return { call, status: 201, attempt: { operation: 'restored', content: life.lastContent } }
}

function replaceStale(life: Life): AuthorAct {
  const headers = { 'if-match': '"of-no-version"' }
  const call = { method: 'PUT', path: pathOf(life), headers, body: randomContent(life.name) } as const
  return { call, status: 412 }
}

function duplicate(life: Life): AuthorAct {
  return { call: creation(new Life(life.lastContent)).call, status: 409 }
}

function pathOf({ id }: Life): string {
  return `/authors/${id}`
}
