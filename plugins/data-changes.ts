import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { lastAccountSequence, listAccountChanges } from '../db/account-changes.ts'
import { type AuthorChange, listChangedAuthors } from '../db/changed-authors.ts'
import { lastSequence } from '../db/changes.ts'

/** What has changed in the database, by whichever process, in the order of the commits. */
export interface DataChanges {
  /** Up to which change of an author, and of an account, it is known what has changed. */
  readonly known: { authors: number; accounts: number }
  /** Learns what has changed until now. Gives nothing when that needed no look at the database. */
  catchUp(): Promise<void> | undefined
  /** The same where no server has to be asked, else nothing. */
  catchUpAtHand(): Promise<void> | undefined
  /** The changes of authors after this sequence number, the oldest first; undefined when that is too long ago. */
  authorsSince(sequence: number): readonly AuthorChange[] | undefined
  /** Calls `forget` with each author that has changed, as soon as that is known, or with undefined when it may be any. */
  onAuthorChange(forget: (id: string | undefined) => void): void
  /** Whether a session, a key or the role of this user has changed after this sequence number. */
  hasAccountChangedSince(userId: string, sequence: number): boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    dataChanges: DataChanges
  }
}

/** With more at a time, and more users than that, what was known before is forgotten. */
const MOST_CHANGES = 2000
const MOST_USERS = 10_000

/**
 * `fastify.dataChanges`: what caches drop their answers by (invariant 9 of docs/architecture.md). The database says in a microsecond
 * whether anything was committed since the last look; if so, two logs that are written in the same transactions say what.
 */
async function dataChangesPlugin(fastify: FastifyInstance) {
  const { db, asksServer } = fastify
  const known = { authors: Number.NaN, accounts: Number.NaN }
  let knownVersion = Number.NaN
  /** Whether all must be forgotten, and learnt from the beginning. */
  let isInDoubt = true
  let looking: Promise<void> | undefined
  let recent: AuthorChange[] = []
  /** All that came up to here is forgotten. */
  const forgotten = { authors: Number.NaN, accounts: Number.NaN }
  const forgetters: ((id: string | undefined) => void)[] = []
  const lastChangeOfUser = new Map<string, number>()

  async function look(version: number): Promise<void> {
    const isNew = isInDoubt
    isInDoubt = false
    let hasLearnt = false
    try {
      await (isNew ? begin() : learn())
      hasLearnt = true
    } finally {
      isInDoubt ||= isNew && !hasLearnt
    }
    knownVersion = version
  }

  function lookOnce(version: number): Promise<void> {
    looking ??= look(version).finally(() => {
      looking = undefined
    })
    return looking
  }

  function lookIfOther(version: number): Promise<void> | undefined {
    return version === knownVersion && !isInDoubt ? undefined : lookOnce(version)
  }

  /** A look that is under way may have begun before this version was there. Those of a server grow. */
  async function lookUpTo(version: number): Promise<void> {
    while (isInDoubt || !(knownVersion >= version)) await lookOnce(version)
  }

  async function begin(): Promise<void> {
    forgetAccounts(await lastAccountSequence(db))
    forgetAuthors(await lastSequence(db))
  }

  async function learn(): Promise<void> {
    const authors = await listChangedAuthors(db, { after: known.authors, limit: MOST_CHANGES })
    const accounts = await listAccountChanges(db, { after: known.accounts, limit: MOST_CHANGES })
    if (authors.length === MOST_CHANGES) forgetAuthors(await lastSequence(db))
    else noteAuthors(authors)
    // A gap is where old changes were purged.
    const isWhole = accounts.every(({ sequence }, index) => sequence === known.accounts + index + 1)
    if (!isWhole || accounts.length === MOST_CHANGES) forgetAccounts(await lastAccountSequence(db))
    else noteAccounts(accounts)
  }

  function noteAuthors(changes: AuthorChange[]): void {
    recent.push(...changes)
    for (const forget of forgetters) for (const { author_id } of changes) forget(author_id)
    known.authors = recent.at(-1)?.sequence ?? known.authors
    if (recent.length <= 2 * MOST_CHANGES) return
    recent = recent.slice(-MOST_CHANGES)
    forgotten.authors = (recent[0] as AuthorChange).sequence - 1
  }

  function noteAccounts(changes: { sequence: number; user_id: string }[]): void {
    for (const { sequence, user_id } of changes) {
      lastChangeOfUser.set(user_id, sequence)
      known.accounts = sequence
    }
    if (lastChangeOfUser.size > MOST_USERS) forgetAccounts(known.accounts)
  }

  function forgetAuthors(sequence: number): void {
    recent = []
    for (const forget of forgetters) forget(undefined)
    forgotten.authors = sequence
    known.authors = sequence
  }

  function forgetAccounts(sequence: number): void {
    lastChangeOfUser.clear()
    forgotten.accounts = sequence
    known.accounts = sequence
  }

  fastify.onDataDoubt(() => {
    isInDoubt = true
  })
  fastify.decorate('dataChanges', {
    known,
    catchUp() {
      const version = fastify.dataVersion()
      return typeof version === 'number' ? lookIfOther(version) : version.then(lookUpTo)
    },
    catchUpAtHand: () => (asksServer ? undefined : lookIfOther(fastify.dataVersion() as number)),
    authorsSince(sequence) {
      if (sequence < forgotten.authors) return undefined
      return recent.slice(recent.findLastIndex((change) => change.sequence <= sequence) + 1)
    },
    onAuthorChange: (forget) => forgetters.push(forget),
    hasAccountChangedSince: (userId, sequence) =>
      sequence < (lastChangeOfUser.get(userId) ?? forgotten.accounts)
  })
}

export default fp(dataChangesPlugin, { name: 'data-changes', dependencies: ['database'] })
