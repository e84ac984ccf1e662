import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Account } from '../crash/account.ts'
import { type AccountAct, bearer, login, logout, register, stranger } from '../crash/account-acts.ts'
import type { Journal } from '../crash/journal.ts'
import type { Asker } from './asking.ts'

const MOST_SESSIONS = 4
/** Each account of which nothing is known costs the comparison a login, so there should not be hundreds. */
const PAUSE_AFTER_FAILURE_MS = 100

/** A client that registers, logs in and out, and finds after each logout that its token is good nowhere. */
export class ClusterVisitor {
  readonly #journal: Journal
  readonly #asker: Asker
  #account = new Account()

  constructor(journal: Journal, asker: Asker) {
    this.#journal = journal
    this.#asker = asker
  }

  async visit(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (await this.#perform(this.#next())) continue
      this.#account = new Account()
      await sleep(PAUSE_AFTER_FAILURE_MS)
    }
  }

  #next(): AccountAct {
    const { id, sessions } = this.#account
    if (id !== undefined && sessions.length >= MOST_SESSIONS) this.#account = new Account()
    if (this.#account.id === undefined) return register(this.#account)
    const open = sessions.find(({ isOpen }) => isOpen)
    return open === undefined || randomInt(2) === 0 ? login(this.#account) : logout(open)
  }

  async #perform({ call, status, begin, done }: AccountAct): Promise<boolean> {
    const account = this.#account
    this.#journal.accounts.add(account)
    this.#journal.touchedAccounts.add(account)
    begin?.()
    const { headers } = stranger({ url: '', headers: {} })
    const answer = await this.#asker.ask({
      ...call,
      headers: { authorization: '', ...headers, ...call.headers }
    })
    if (answer === undefined) {
      this.#journal.unknown += 1
      return false
    }
    if (answer.status !== status) {
      this.#journal.addFault(`${call.path} of ${account.username} answered ${answer.status}: ${answer.text}`)
      return false
    }
    this.#journal.acknowledged += 1
    done(answer)
    await this.#lookAtSessions(account)
    return true
  }

  /** The very next requests, whichever instances get them. */
  async #lookAtSessions(account: Account): Promise<void> {
    for (const session of account.sessions) {
      const answer = await this.#asker.ask({ path: '/me', headers: bearer(session) })
      const expected = session.isOpen ? 200 : 401
      if (answer !== undefined && answer.status !== expected)
        this.#journal.addFault(
          `out of date: /me of ${account.username} answered ${answer.status}, not ${expected}`
        )
    }
  }
}
