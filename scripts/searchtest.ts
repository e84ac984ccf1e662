/**
 * `npm run searchtest [-- --authors 20000 --rounds 100 --seed N --service FOLDER]`: asks a catalogue of words of every script for
 * authors in every way, while authors are changed, deleted and restored, and compares the lists with a plain scan of all authors.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pLimit from 'p-limit'
import { below, mulberry32, type Random } from '../bench/random.ts'
import type { AuthorRecord } from '../db/authors/table.ts'
import { toNdjson } from '../plugins/transfers/ndjson.ts'
import { NUMBER } from './command-line/options.ts'
import { helpIfAsked, readCommandLine } from './command-line/read.ts'
import { invent, type World } from './search/asking.ts'
import { inventAuthor } from './search/authors.ts'
import { changeSome } from './search/changing.ts'
import { compare, type Sabotage } from './search/comparing.ts'
import { Oracle } from './search/oracle.ts'
import { User } from './search/service.ts'
import { inventVocabulary, type Vocabulary } from './search/words.ts'
import { signIn, startService } from './service-process.ts'

/** The share of the authors that each user has; the last one leaves after the first round. */
const SHARES = [0.94, 0.04, 0.015, 0.005]
const PASSWORD = 'the enchantress of florence'
const CHANGES_A_ROUND = 40
const QUESTIONS_A_ROUND = 25
/** What changed in so many of the last changes is asked for more often. */
const REMEMBERED = 400
const AT_ONCE = 3
const LARGEST_PAGE = 100
const MOST_FAULTS = 5

export interface SearchTest {
  /** About so many; a few of them are refused as duplicates. */
  authors: number
  /** Of changes, and then of questions. */
  rounds: number
  /** A list that is longer than so many of the largest pages is not followed to its end. */
  mostPages: number
  seed: number
  databaseFile: string
  log: (line: string) => void
  /** Where the service lies, if not here. */
  service?: string
  /** Spoils the pages, to prove that it would be noticed. */
  sabotage?: Sabotage
}

/** How many questions found nobody, some, at least 4,000 and at least 16,000 authors. */
export interface Sizes {
  none: number
  few: number
  many: number
  most: number
}

/** Asks a service of its own; the faults say what was not as a plain scan has it. */
export async function searchtest(options: SearchTest): Promise<{ faults: string[]; sizes: Sizes }> {
  const { databaseFile, service: folder = '.', rounds, seed, log } = options
  const variables = { RATE_LIMIT: 'off', ACCESS_TOKEN_TTL: '86400' }
  const service = await startService(databaseFile, variables, path.resolve(folder, 'server.js'))
  try {
    const search = await Search.begin(service.url, options)
    await search.catchUp()
    for (let round = 1; round <= rounds && search.faults.length < MOST_FAULTS; round++) {
      await search.change()
      if (round === 1) await search.letLeave()
      await search.catchUp()
      await search.ask()
      log(`round ${round}: ${search.report()}`)
    }
    const faults = search.faults.map((fault) => `seed ${seed}: ${fault}`)
    for (const fault of faults) log(fault)
    return { faults, sizes: search.sizes }
  } finally {
    await service.end('SIGTERM')
  }
}

class Search {
  readonly faults: string[] = []
  readonly sizes: Sizes = { none: 0, few: 0, many: 0, most: 0 }
  readonly #options: SearchTest
  readonly #random: Random
  readonly #vocabulary: Vocabulary
  readonly #users: User[]
  readonly #userIds: string[]
  readonly #oracle = new Oracle()
  readonly #deleted: AuthorRecord[] = []
  #changed: AuthorRecord[] = []
  #authors: AuthorRecord[] = []
  #sequence = 0
  #pages = 0

  private constructor(options: SearchTest, users: User[]) {
    this.#options = options
    this.#random = mulberry32(options.seed)
    this.#vocabulary = inventVocabulary(this.#random)
    this.#users = users
    this.#userIds = users.map(({ id }) => id)
  }

  /** Fills the service. */
  static async begin(url: string, options: SearchTest): Promise<Search> {
    const users: User[] = []
    for (const _ of SHARES)
      users.push(await User.signIn(url, (await signIn(url, PASSWORD)).authorization as string))
    const search = new Search(options, users)
    for (const [index, user] of users.entries()) {
      const length = Math.ceil(options.authors * (SHARES[index] as number))
      const authors = Array.from({ length }, () => inventAuthor(search.#random, search.#vocabulary))
      const { status, text } = await user.import(authors)
      if (status !== 200) throw new Error(`an import was answered ${status}: ${text}`)
      options.log(`import: ${text}`)
    }
    return search
  }

  async change(): Promise<void> {
    const [random, vocabulary, users] = [this.#random, this.#vocabulary, this.#users]
    const changing = { random, vocabulary, users, authors: this.#authors, deleted: this.#deleted }
    const before = await changeSome(changing, CHANGES_A_ROUND)
    this.#changed = [...this.#changed, ...before].slice(-REMEMBERED)
  }

  /** Deletes an account, so that its authors have no owner any more. */
  async letLeave(): Promise<void> {
    const leaving = this.#users.pop() as User
    const { status, text } = await leaving.leave(PASSWORD)
    if (status !== 204) throw new Error(`DELETE /me answered ${status}: ${text}`)
  }

  /** Reads what was changed, and that this makes the very file that is exported. */
  async catchUp(): Promise<void> {
    const [user] = this.#users as [User]
    for await (const change of user.changesAfter(this.#sequence)) {
      this.#sequence = change.sequence
      this.#oracle.learn(change)
      if (change.record !== null && this.#authors.length > 0) this.#changed.push(change.record)
    }
    this.#authors = this.#oracle.authors
    const lines = (await user.export()).split('\n')
    const at = lines.findIndex((line, index) => line !== lineOf(this.#authors[index]))
    if (at !== -1)
      this.faults.push(`line ${at + 1} of the export is ${lines[at]}, not ${lineOf(this.#authors[at])}`)
  }

  async ask(): Promise<void> {
    const world: World = {
      vocabulary: this.#vocabulary,
      authors: this.#authors,
      changed: this.#changed,
      userIds: this.#userIds
    }
    const asked = Array.from({ length: QUESTIONS_A_ROUND }, () => ({
      question: invent(this.#random, world),
      user: this.#users[below(this.#random, this.#users.length)] as User,
      limit: 1 + below(this.#random, 12)
    }))
    await pLimit(AT_ONCE).map(asked, async ({ question, user, limit }) => {
      const { mostPages, sabotage = (page) => page } = this.#options
      const expected = this.#oracle.answer(question, user.id)
      const fitting = Math.max(limit, Math.min(LARGEST_PAGE, Math.ceil(expected.length / mostPages)))
      const { fault, pages } = await compare({
        user,
        question,
        expected,
        limit: fitting,
        mostPages,
        sabotage
      })
      if (fault !== undefined) this.faults.push(fault)
      this.sizes[sizeOf(expected)] += 1
      this.#pages += pages
    })
  }

  report(): string {
    return `${this.#authors.length} authors, ${told(this.sizes)}, ${this.#pages} pages, ${this.faults.length} faults`
  }
}

function sizeOf({ length }: AuthorRecord[]): keyof Sizes {
  return length === 0 ? 'none' : length < 4000 ? 'few' : length < 16_000 ? 'many' : 'most'
}

function told({ none, few, many, most }: Sizes): string {
  return `questions: ${few} found some, ${many} 4,000 or more, ${most} 16,000 or more, ${none} nobody`
}

function lineOf(author: AuthorRecord | undefined): string {
  return author === undefined ? '' : toNdjson(author).slice(0, -1)
}

const USAGE = 'usage: npm run searchtest [-- --authors N --rounds N --pages N --seed N --service FOLDER]'

async function main(): Promise<void> {
  helpIfAsked(USAGE)
  const options = {
    authors: { type: 'string', default: '20000', looksLike: NUMBER },
    rounds: { type: 'string', default: '100', looksLike: NUMBER },
    pages: { type: 'string', default: '200', looksLike: NUMBER },
    seed: { type: 'string', default: String(randomInt(2 ** 31)), looksLike: NUMBER },
    service: { type: 'string', default: path.join(import.meta.dirname, '..') }
  } as const
  const { values } = readCommandLine({ begin: 'npm run searchtest --', options, words: 0 })
  const [authors, rounds] = [Number(values.authors), Number(values.rounds)]
  const [mostPages, seed] = [Number(values.pages), Number(values.seed)]
  if (!(authors > 0 && rounds > 0 && mostPages > 0 && Number.isInteger(seed))) throw new Error(USAGE)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-search-'))
  const databaseFile = path.join(folder, 'library.db')
  try {
    const test = { authors, rounds, mostPages, seed, databaseFile, service: values.service, log: console.log }
    const { faults, sizes } = await searchtest(test)
    console.log(`seed ${seed}, ${told(sizes)}; ${faults.length} faults`)
    process.exitCode = faults.length === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  await main().catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
