import { uuidv7 } from 'uuidv7'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import { type CallerCredential, type Command, callOf, type Representation } from '../../db/command.ts'
import { purgeAuthor } from '../../db/commands/author-purges.ts'
import { createAuthor, deleteAuthor, patchAuthor, restoreAuthor } from '../../db/commands/authors.ts'
import { openSession } from '../../db/commands/sessions.ts'
import { changeUser, registerUser } from '../../db/commands/users.ts'
import { type Database, openDatabase } from '../../db/database.ts'
import { readHistoryKeep } from '../../db/history/keeping.ts'
import { trimAll } from '../../db/history/walk.ts'
import { countRows } from '../../db/moving/slices.ts'
import type { Db } from '../../db/tables.ts'

const DAY_MS = 86_400_000
const END = '9999-01-01T00:00:00.000Z'
const ANY_VERSION = {}

/** A catalogue in which years pass in seconds: every command has the time that it is told in its stamp. */
export class AgedCatalogue {
  database: Database
  readonly #url: string
  readonly #begin: number
  #now: number
  #admin: CallerCredential | undefined

  private constructor(url: string, database: Database, begin: number) {
    this.#url = url
    this.database = database
    this.#begin = begin
    this.#now = begin
  }

  /** It begins so many days ago. */
  static async open(url: string, daysAgo: number): Promise<AgedCatalogue> {
    const catalogue = new AgedCatalogue(url, await openDatabase(url), Date.now() - daysAgo * DAY_MS)
    // Before all days.
    catalogue.#now = 0
    await catalogue.#signIn()
    catalogue.day = 0
    return catalogue
  }

  /** So many days after its beginning. */
  set day(day: number) {
    this.#now = this.#begin + day * DAY_MS
  }

  async create(content: AuthorContent): Promise<AuthorRecord> {
    return JSON.parse((await this.#runAsAdmin(createAuthor, { content })).body as string)
  }

  async edit(id: string, note: string): Promise<void> {
    await this.#runAsAdmin(patchAuthor, { idOrSlug: id, preconditions: ANY_VERSION, patch: { note } })
  }

  async delete(id: string): Promise<void> {
    await this.#runAsAdmin(deleteAuthor, { idOrSlug: id, preconditions: ANY_VERSION })
  }

  async restore(id: string): Promise<void> {
    await this.#runAsAdmin(restoreAuthor, { idOrSlug: id })
  }

  /** Of a few versions. */
  async erase(id: string): Promise<void> {
    await this.#run(purgeAuthor, { idOrSlug: id, preconditions: ANY_VERSION }, this.#admin)
  }

  /** What the housekeeping does with this `HISTORY_KEEP`; gives how many versions went. */
  async trim(setting: string): Promise<number> {
    const keep = readHistoryKeep(setting)
    if (keep === undefined) return 0
    return trimAll(this.database.reads, {
      keep,
      now: () => this.#at,
      run: (command, input) => this.#run(command, input),
      pause: async () => true
    })
  }

  async countChanges(): Promise<number> {
    return countRows(this.database.reads as Db, { name: 'changes' })
  }

  /** Closes the database, by which all that was written is in it, and opens it again. */
  async reopen(): Promise<void> {
    await this.close()
    this.database = await openDatabase(this.#url)
  }

  close(): Promise<void> {
    return this.database.close()
  }

  async #signIn(): Promise<void> {
    const username = 'archivist'
    const { id } = await this.#run(registerUser, { username, passwordHash: '' })
    await this.#run(changeUser, { userId: id, role: 'admin' })
    const { sessionId } = await this.#run(openSession, {
      userId: id,
      passwordHash: '',
      userAgent: null,
      familyHash: '',
      refreshHash: '',
      idleExpiresAt: END,
      expiresAt: END
    })
    this.#admin = { id, role: 'admin', sessionId }
  }

  #runAsAdmin<Input extends object>(
    command: Command<Input, Representation>,
    input: Input
  ): Promise<Representation> {
    return this.#run(command, input, this.#admin)
  }

  async #run<Input extends object, Output>(
    command: Command<Input, Output>,
    input: Input,
    caller?: CallerCredential
  ): Promise<Output> {
    const stamp = { id: idAt(this.#now), at: this.#at }
    return (await this.database.run({ ...callOf(command, input, caller), stamp })) as Output
  }

  get #at(): string {
    return new Date(this.#now).toISOString()
  }
}

/** A UUIDv7 of this time. */
function idAt(milliseconds: number): string {
  const time = milliseconds.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}${uuidv7().slice(13)}`
}
