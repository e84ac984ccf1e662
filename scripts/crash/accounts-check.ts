/** The restarted service's accounts against what their owners were told. */
import { randomInt } from 'node:crypto'
import type { Account, Session } from './account.ts'
import { bearer, login, register, stranger } from './account-acts.ts'
import type { Journal } from './journal.ts'
import { ask, type Client, readAll } from './requests.ts'

const OLD_ACCOUNTS_LOOKED_AT = 10

/** Compares after each restart. */
export class AccountsCheck {
  readonly #journal: Journal
  /** The ids of the users that are in no journal. */
  readonly #others: readonly string[]

  constructor(journal: Journal, others: readonly string[]) {
    this.#journal = journal
    this.#others = others
  }

  /** What was touched since the last restart, and some of the others, or at the last all of them. */
  async compare(client: Client, isLast: boolean): Promise<void> {
    for (const account of this.#chosen(isLast)) await this.#lookAt(client, account)
    await this.#readList(client)
  }

  #chosen(isLast: boolean): ReadonlySet<Account> {
    if (isLast) return this.#journal.accounts
    const accounts = [...this.#journal.accounts]
    const some = Array.from(
      { length: OLD_ACCOUNTS_LOOKED_AT },
      () => accounts[randomInt(accounts.length)] as Account
    )
    return new Set([...this.#journal.touchedAccounts, ...some])
  }

  /** All that were acknowledged, and nobody who did not ask. */
  async #readList(client: Client): Promise<void> {
    const listed = new Map<string, string>()
    for await (const { username, id } of readAll<{ username: string; id: string }>(
      client,
      '/users?limit=100'
    )) {
      listed.set(id, username)
    }
    for (const { username, id, label, isDeleted } of this.#journal.accounts) {
      if (id === undefined) continue
      if (isDeleted && listed.has(id)) this.#journal.addLost(label, 'the deletion (it is listed)')
      if (!isDeleted && listed.get(id) !== username) this.#journal.addLost(label, 'the user')
      listed.delete(id)
    }
    for (const other of this.#others) listed.delete(other)
    for (const username of listed.values()) this.#journal.addForeign(username)
  }

  async #lookAt(client: Client, account: Account): Promise<void> {
    if (account.isDeleted !== false) await this.#lookForDeletion(client, account)
    if (account.isDeleted) for (const session of account.sessions) session.isOpen = false
    if (account.id === undefined) await this.#registerAgain(client, account)
    if (!account.isProven) await this.#logIn(client, account)
    for (const session of account.sessions) await this.#lookAtSession(client, session)
  }

  /** A login tells whether it is deleted, also when its name has passed on to another account. */
  async #lookForDeletion(client: Client, account: Account): Promise<void> {
    if (!this.#journal.touchedAccounts.has(account)) return
    const { call, done, status } = login(account)
    const answer = await ask(stranger(client), call)
    if (![status, 401].includes(answer.status))
      this.#journal.addFault(`/login of ${account.label}: ${answer.status} ${answer.text}`)
    const isThere = answer.status === status
    if (isThere && account.isDeleted) this.#journal.addLost(account.label, 'the deletion (it logs in)')
    account.isDeleted ??= !isThere
    if (!account.isDeleted) done(answer)
  }

  /** When it is not known whether it is there: both may be, but nothing between. */
  async #registerAgain(client: Client, account: Account): Promise<void> {
    const { call } = register(account)
    const { status, text } = await ask(stranger(client), call)
    if (![201, 409].includes(status))
      this.#journal.addFault(`/register of ${account.username} again: ${status} ${text}`)
  }

  async #logIn(client: Client, account: Account): Promise<void> {
    const { call, done, status } = login(account)
    const answer = await ask(stranger(client), call)
    if (answer.status !== status) return this.#journal.addLost(account.label, 'the login')
    done(answer)
  }

  async #lookAtSession(client: Client, session: Session): Promise<void> {
    const { account, isOpen } = session
    const { status, text } = await ask({ url: client.url, headers: bearer(session) }, { path: '/me' })
    session.isOpen = status === 200
    const isRight = isOpen === undefined ? [200, 401].includes(status) : status === (isOpen ? 200 : 401)
    if (!isRight) return this.#tellWrongSession(account, isOpen)
    if (status !== 200) return
    const { id } = JSON.parse(text)
    account.id ??= id
    if (id !== account.id) this.#journal.addFault(`a session of ${account.username} is another's`)
  }

  #tellWrongSession({ username, label, isDeleted }: Account, wasOpen: boolean | undefined): void {
    if (isDeleted) this.#journal.addLost(label, 'the deletion (its token is good)')
    else this.#journal.addLost(`a session of ${username}`, wasOpen ? 'the whole' : 'the logout')
  }
}
