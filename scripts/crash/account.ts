import { randomUUID } from 'node:crypto'

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
