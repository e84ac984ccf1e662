import { randomBytes, randomInt } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

export type Operation = 'created' | 'replaced' | 'patched' | 'deleted' | 'restored' | 'disowned'

export type Content = ReturnType<typeof randomContent>

export interface Author extends Content {
  id: string
  slug: string
  /** None once the account of the owner is deleted. */
  owner_id: string | null
  version: number
  created_at: string
  updated_at: string
}

export interface Change {
  sequence: number
  author_id: string
  version: number
  actor_id: string
  at: string
  operation: Operation
  record: Author | null
}

/** What a request would make of an author: the whole content, or null when it deletes. */
export interface Attempt {
  operation: Operation
  content: Content | null
}

interface Version {
  operation: Operation
  record: Author | null
}

const LONGEST_NOTE = 2000

/** A content of which name and book have a word that is nowhere else. */
export function randomContent(name = randomName()) {
  const wikidata = randomInt(2) === 0 ? null : `Q${randomInt(1, 2 ** 47)}`
  return {
    name,
    sort_name: randomInt(3) === 0 ? `${name.replace('Crash ', '')}, Crash` : null,
    book: `Kill ${randomWord()}`,
    country: randomInt(4) === 0 ? null : 'Nowhere',
    booker_prize: randomInt(2) === 0,
    birth_year: randomInt(1900, 2000),
    death_year: null,
    identifiers: { viaf: null, isni: null, wikidata, openlibrary: null },
    note: randomBytes(randomInt(LONGEST_NOTE / 2)).toString('hex')
  }
}

function randomName(): string {
  return `Crash ${randomWord()}`
}

/** A word that is nowhere else. */
export function randomWord(): string {
  return randomBytes(10).toString('hex')
}

/** An author of which one client alone writes, so that the order of what happened to it is known: a version for every change. */
export class Life {
  /** What it was first, and the key under which its creation can be sent again, if it has one. */
  readonly content: Content
  readonly key: string | undefined
  /** Acknowledged, or found after a crash: they stay. */
  readonly versions: Version[] = []
  id: string | undefined
  /** Of the last version, where it was told. */
  etag: string | undefined
  /** What was asked and is not known to have happened, in its order. */
  pending: Attempt[] = []
  /** The number of the change that created it, once the feed has shown it. */
  createdBy = 0
  /** How many versions the change feed has shown. */
  shown = 0
  isTrusted = true

  constructor(content: Content, key?: string) {
    this.content = content
    this.key = key
  }

  /** What it is called in faults. */
  get label(): string {
    return `author ${this.id ?? this.name}`
  }

  get name(): string {
    return this.content.name
  }

  get author(): Author | null {
    return this.versions.at(-1)?.record ?? null
  }

  get isDeleted(): boolean {
    return this.versions.at(-1)?.operation === 'deleted'
  }

  /** What it is, or was before its deletion. */
  get lastContent(): Content {
    const last = this.versions.findLast(({ record }) => record !== null)
    const { name, sort_name, book, country, booker_prize, birth_year, death_year, identifiers, note } =
      last?.record ?? this.content
    return { name, sort_name, book, country, booker_prize, birth_year, death_year, identifiers, note }
  }

  /** Takes what the attempt was answered, or was found to have made; says whether it fits. */
  take({ operation, content }: Attempt, record: Author | null, etag?: string): boolean {
    const isRight = this.#isRight(operation, content, record)
    this.versions.push({ operation, record })
    this.id ??= record?.id
    this.etag = etag
    this.pending = this.pending.slice(1)
    return isRight
  }

  /** Whether the change is the version that was acknowledged, field for field and in the same order. */
  isVersion({ version, operation, record, author_id, at }: Change): boolean {
    const known = this.versions[version - 1]
    return (
      author_id === this.id &&
      operation === known?.operation &&
      (record === null || record.updated_at === at) &&
      JSON.stringify(record) === JSON.stringify(known.record)
    )
  }

  #isRight(operation: Operation, content: Content | null, record: Author | null): boolean {
    if (content === null || record === null) return content === record
    const first = this.versions[0]?.record ?? record
    const { id, slug, created_at } = first
    const owner_id = operation === 'disowned' ? null : first.owner_id
    const version = this.versions.length + 1
    const { updated_at } = record
    return isDeepStrictEqual(
      { ...content, id, slug, owner_id, version, created_at, updated_at },
      { ...record }
    )
  }
}
