import { randomUUID } from 'node:crypto'
import type { Life } from './life.ts'

/** What a client was told of a session, or, with `isOpen` undefined, was not. */
export interface Session {
  token: string
  account: Account
  isOpen: boolean | undefined
}

/** An account; its registration is known to have happened once it has an id. */
export class Account {
  readonly username: string
  readonly password = randomUUID()
  id: string | undefined
  readonly sessions: Session[] = []
  /** Whether it has logged in since it was registered. */
  isProven = false
  /** What its owner was told of its deletion, or, with undefined, was not. */
  isDeleted: boolean | undefined = false
  /** Those of which it is known that they must lose their owner with it. */
  authors: Life[] = []

  constructor(username = `crash-${randomUUID()}`) {
    this.username = username
  }

  /** What it is called in faults. */
  get label(): string {
    return `account ${this.username}`
  }

  get basic(): string {
    return `Basic ${Buffer.from(`${this.username}:${this.password}`).toString('base64')}`
  }
}
