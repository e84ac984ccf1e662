/** Clients that register, log in and log out, each one request after the other, until the service is gone. */
import { randomInt } from 'node:crypto'
import { Account, type Session } from './account.ts'
import { type AccountAct, login, logout, perform, register } from './account-acts.ts'
import type { Journal } from './journal.ts'
import type { Client } from './requests.ts'

/** One such client, with the accounts that it has made. */
export class Visitor {
  readonly #journal: Journal
  readonly accounts: Account[] = []

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** Makes an account with two sessions, of which one has ended. */
  async settle(client: Client): Promise<void> {
    const account = this.#open()
    for (const act of [register(account), login(account), login(account)])
      await perform(this.#journal, client, account, act)
    await perform(this.#journal, client, account, logout(account.sessions[0] as Session))
  }

  /** Ends when the connection breaks; that, or a 5xx, leaves open what became of the last request. */
  async visit(client: Client, onAnswer: () => void): Promise<void> {
    for (;;) {
      const account = this.#choose()
      const isAnswered = await perform(this.#journal, client, account, actOn(account))
      if (!isAnswered) return
      onAnswer()
    }
  }

  #choose(): Account {
    const known = this.accounts.filter(({ id }) => id !== undefined)
    return known[randomInt(known.length + 1)] ?? this.#open()
  }

  #open(): Account {
    const account = new Account()
    this.accounts.push(account)
    return account
  }
}

function actOn(account: Account): AccountAct {
  if (account.id === undefined) return register(account)
  const open = account.sessions.find(({ isOpen }) => isOpen)
  return open === undefined || randomInt(2) === 0 ? login(account) : logout(open)
}
