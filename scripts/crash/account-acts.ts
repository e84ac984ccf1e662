/** The requests that make and change accounts, and what the journal learns of their answers. */
import { randomInt } from 'node:crypto'
import type { Account, Session } from './account.ts'
import type { Journal } from './journal.ts'
import { type Answer, type Call, type Client, tryAsk } from './requests.ts'

/** A request, and what is known once it is answered as it must be. */
export interface AccountAct {
  call: Call
  status: number
  /** Makes it unknown until then. */
  begin?(): void
  done(answer: Answer): void
}

/** Sends the request; whether it was answered. */
export async function perform(
  journal: Journal,
  client: Client,
  account: Account,
  { call, status, begin, done }: AccountAct
): Promise<boolean> {
  journal.accounts.add(account)
  journal.touchedAccounts.add(account)
  begin?.()
  const answer = await tryAsk(stranger(client), call)
  if (answer === undefined) {
    journal.unknown += 1
    return false
  }
  if (answer.status === status) {
    journal.acknowledged += 1
    done(answer)
  } else {
    journal.addFault(`${call.path} of ${account.username} answered ${answer.status}: ${answer.text}`)
  }
  return true
}

/** A client without a token and with an address of its own, because registrations are limited by address. */
export function stranger({ url }: Client): Client {
  return { url, headers: { 'x-forwarded-for': Array.from({ length: 4 }, () => randomInt(1, 255)).join('.') } }
}

/** The request that makes the account, the same each time. */
export function register(account: Account): AccountAct {
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
export function login(account: Account): AccountAct {
  return {
    call: { method: 'POST', path: '/login', headers: { authorization: account.basic } },
    status: 200,
    done: ({ text }) => {
      account.isProven = true
      account.sessions.push({ account, token: JSON.parse(text).access_token, isOpen: true })
    }
  }
}

/** The request that ends the session. */
export function logout(session: Session): AccountAct {
  return {
    call: { method: 'POST', path: '/logout', headers: bearer(session) },
    status: 204,
    begin: () => {
      session.isOpen = undefined
    },
    done: () => {
      session.isOpen = false
    }
  }
}

export function bearer({ token }: Session): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}

/** The request that deletes the account; its authors stay, without owner. */
export function deletion(account: Account, session: Session): AccountAct {
  const { password, authors } = account
  return {
    call: { method: 'DELETE', path: '/me', headers: bearer(session), body: { password } },
    status: 204,
    begin: () => {
      account.isDeleted = undefined
      for (const life of authors) {
        life.pending = [...life.pending, { operation: 'disowned', content: life.lastContent }]
      }
    },
    done: () => {
      account.isDeleted = true
    }
  }
}
