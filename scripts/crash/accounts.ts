/** Clients that register, log in and log out, each one request after the other, until the service is gone. */
import { randomInt, randomUUID } from 'node:crypto'
import type { Journal } from './journal.ts'
import { type Answer, ask, type Call, type Client } from './requests.ts'

/** What a client was told of a session, or, with `isOpen` undefined, was not. */
export interface Session {
  token: string
  account: Account
  isOpen: boolean | undefined
}

/** An account; its registration is known to have happened once it has an id. */
export class Account {
  readonly username = `crash-${randomUUID()}`
  readonly password = randomUUID()
  id: string | undefined
  readonly sessions: Session[] = []
  /** Whether it has logged in since it was registered. */
  isProven = false

  get basic(): string {
    return `Basic ${Buffer.from(`${this.username}:${this.password}`).toString('base64')}`
  }
}

/** A request, and what it changes in the journal when it is answered as it must be. */
interface Act {
  call: Call
  status: number
  /** Makes it unknown until then. */
  begin?(): void
  done(answer: Answer): void
}

/** One such client, with the accounts that it has made. */
export class Visitor {
  readonly #journal: Journal
  readonly accounts: Account[] = []
  /** Of which something was asked since the last restart. */
  readonly touched = new Set<Account>()

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** Makes an account with two sessions, of which one has ended. */
  async settle(client: Client): Promise<void> {
    const account = new Account()
    for (const act of [register(account), login(account), login(account)])
      await this.#perform(client, account, act)
    await this.#perform(client, account, logout(account.sessions[0] as Session))
  }

  /** Ends when the connection breaks; that, or a 5xx, leaves open what became of the last request. */
  async visit(client: Client, onAnswer: () => void): Promise<void> {
    for (;;) {
      const account = this.#chooseAccount()
      const isAnswered = await this.#perform(client, account, actOn(account))
      if (!isAnswered) return
      onAnswer()
    }
  }

  #chooseAccount(): Account {
    const known = this.accounts.filter(({ id }) => id !== undefined)
    return known[randomInt(known.length + 1)] ?? new Account()
  }

  async #perform(client: Client, account: Account, act: Act): Promise<boolean> {
    if (!this.accounts.includes(account)) this.accounts.push(account)
    this.touched.add(account)
    act.begin?.()
    const answer = await ask(stranger(client), act.call).catch(() => undefined)
    if (answer === undefined || answer.status >= 500) {
      this.#journal.unknown += 1
      return false
    }
    if (answer.status === act.status) {
      this.#journal.acknowledged += 1
      act.done(answer)
    } else {
      this.#journal.addFault(
        `${act.call.path} of ${account.username} answered ${answer.status}: ${answer.text}`
      )
    }
    return true
  }
}

function actOn(account: Account): Act {
  if (account.id === undefined) return register(account)
  const open = account.sessions.find(({ isOpen }) => isOpen)
  return open === undefined || randomInt(2) === 0 ? login(account) : logout(open)
}

/** Somebody without a token, from an address of their own, for registrations are limited by address. */
export function stranger({ url }: Client): Client {
  return { url, headers: { 'x-forwarded-for': Array.from({ length: 4 }, () => randomInt(1, 255)).join('.') } }
}

/** The request that makes the account, the same each time. */
export function register(account: Account): Act {
  const { username, password } = account
  return {
    call: { method: 'POST', path: '/register', body: { username, password } },
    status: 201,
    done: ({ text }) => {
      account.id = JSON.parse(text).id
    }
  }
}

/** The request that opens one more session. */
export function login(account: Account): Act {
  return {
    call: { method: 'POST', path: '/login', headers: { authorization: account.basic } },
    status: 200,
    done: ({ text }) => {
      account.isProven = true
      account.sessions.push({ account, token: JSON.parse(text).access_token, isOpen: true })
    }
  }
}

function logout(session: Session): Act {
  return {
    call: { method: 'POST', path: '/logout', headers: { authorization: `Bearer ${session.token}` } },
    status: 204,
    begin: () => {
      session.isOpen = undefined
    },
    done: () => {
      session.isOpen = false
    }
  }
}
