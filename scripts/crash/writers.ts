/** Clients that write authors of their own, each one request after the other, until the service is gone. */
import { randomInt, randomUUID } from 'node:crypto'
import type { Journal } from './journal.ts'
import { type Attempt, type Author, Life, randomContent } from './life.ts'
import { type Answer, ask, type Call, type Client } from './requests.ts'

const MOST_LIVES = 3
/** Of so many creations one can be sent again. */
const KEYED_OF = 3

interface Act {
  call: Call
  /** What it must be answered. */
  status: number
  /** Nothing when it must be refused. */
  attempt?: Attempt
}

/** One such client. */
export class Writer {
  readonly #journal: Journal
  #lives: Life[] = []

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** Ends when the connection breaks; that, or a 5xx, leaves open what became of the last request. */
  async write(client: Client, onAnswer: () => void): Promise<void> {
    this.#lives = this.#lives.filter(({ isTrusted, id }) => isTrusted && id !== undefined)
    for (;;) {
      const life = this.#choose()
      const act = actOn(life)
      this.#journal.touched.add(life)
      life.pending = act.attempt
      const answer = await ask(client, act.call).catch(() => undefined)
      if (answer === undefined || answer.status >= 500) {
        this.#journal.unknown += 1
        return
      }
      this.#note(life, act, answer)
      onAnswer()
    }
  }

  #choose(): Life {
    const lives = this.#lives.filter(({ isTrusted }) => isTrusted)
    const known = lives[randomInt(MOST_LIVES + 1)]
    if (known !== undefined) return known
    const life = new Life(randomContent(), randomInt(KEYED_OF) === 0 ? randomUUID() : undefined)
    this.#lives = [life, ...lives].slice(0, MOST_LIVES)
    this.#journal.lives.add(life)
    return life
  }

  #note(life: Life, { call, status, attempt }: Act, answer: Answer): void {
    const told = `${call.method} ${call.path} (${life.name}) answered ${answer.status} ${answer.text}`
    life.pending = undefined
    if (answer.status !== status) this.#journal.distrust(life, told)
    else if (attempt !== undefined) {
      this.#journal.acknowledged += 1
      const isRight = life.take(attempt, authorIn(answer), answer.etag ?? undefined)
      if (!isRight) this.#journal.distrust(life, told)
    }
  }
}

/** The author that was answered; none after a deletion. */
export function authorIn({ text }: Answer): Author | null {
  return text === '' ? null : JSON.parse(text)
}

/** The request that creates an author, the same each time. */
export function creation({ content, key }: Life): Act {
  const keyed = key !== undefined && { headers: { 'idempotency-key': key } }
  const call = { method: 'POST', path: '/authors', body: content, ...keyed } as const
  return { call, status: 201, attempt: { operation: 'created', content } }
}

function actOn(life: Life): Act {
  if (life.id === undefined) return creation(life)
  if (life.isDeleted) return restore(life)
  const acts = [replace, replace, patch, patch, remove, replaceStale, duplicate]
  return (acts[randomInt(acts.length)] as typeof replace)(life)
}

function replace(life: Life): Act {
  const content = randomContent(life.name)
  const headers = { 'if-match': life.etag ?? '*' }
  const call = { method: 'PUT', path: pathOf(life), headers, body: content } as const
  return { call, status: 200, attempt: { operation: 'replaced', content } }
}

function patch(life: Life): Act {
  const { birth_year, note } = randomContent()
  const call = { method: 'PATCH', path: pathOf(life), body: { birth_year, note } } as const
  const content = { ...life.lastContent, birth_year, note }
  return { call, status: 200, attempt: { operation: 'patched', content } }
}

function remove(life: Life): Act {
  const call = { method: 'DELETE', path: pathOf(life) } as const
  return { call, status: 204, attempt: { operation: 'deleted', content: null } }
}

function restore(life: Life): Act {
  const call = { method: 'POST', path: `${pathOf(life)}/restore` } as const
  return { call, status: 201, attempt: { operation: 'restored', content: life.lastContent } }
}

function replaceStale(life: Life): Act {
  const headers = { 'if-match': '"of-no-version"' }
  const call = { method: 'PUT', path: pathOf(life), headers, body: randomContent(life.name) } as const
  return { call, status: 412 }
}

function duplicate(life: Life): Act {
  return { call: creation(new Life(life.lastContent)).call, status: 409 }
}

function pathOf({ id }: Life): string {
  return `/authors/${id}`
}
