/** Authors and their log as a service before lean rows wrote them, always the same ones. */
import { inventAuthors } from '../../bench/generate-authors.ts'
import type { AuthorContent } from '../../db/authors/table.ts'
import { slugify } from '../../db/text.ts'

/** At that time all had a book and a country. */
type OldContent = AuthorContent & { book: string; country: string }

/** Names and countries that a folding, a tokenizer or JSON may stumble over. */
const ODD: OldContent[] = [
  { name: 'Gabriel García Márquez', book: 'Cien años de soledad', country: 'Colombia' },
  { name: 'Ὅμηρος', book: 'Ὀδύσσεια ς', country: 'Ἑλλάς' },
  { name: 'Лев Толстой', book: 'Война и миръ: й', country: 'Российская Федерация' },
  { name: '한강', book: '채식주의자', country: '대한민국' },
  { name: '村上 春樹', book: 'が1Q84', country: '日本' },
  { name: 'Straße "Weiß"', book: 'back\\slash, snake_case {}', country: "Côte d'Ivoire" },
  { name: 'Straße "Weiß"', book: '1984', country: 'COTE  D’IVOIRE' },
  { name: '—', book: '…', country: '---' },
  { name: 'नागार्जुन', book: 'मेरे', country: 'भारत' },
  { name: '📚 ﬁn', book: '<b>e\u0301\u0327</b>\ttab\nline', country: 'Bosnia & Herzegovina' },
  { name: 'Salman Rushdie', book: "Midnight's Children", country: 'India', booker_prize: true },
  { name: 'Salman Rushdie', book: 'Shame', country: 'India', note: '"odd"\n\u{1F4DA}\u2028' }
]

export const OPERATIONS = ['replaced', 'patched', 'deleted', 'restored', 'disowned'] as const
type Operation = 'created' | (typeof OPERATIONS)[number]

export interface Author {
  id: string
  slug: string
  name: string
  book: string
  country: string
  booker_prize: boolean
  birth_year: number | null
  death_year: number | null
  identifiers: Record<'viaf' | 'isni' | 'wikidata' | 'openlibrary', string | null>
  note: string | null
  owner_id: string | null
  version: number
  created_at: string
  updated_at: string
}

export interface Change {
  author_id: string
  version: number
  actor_id: string
  at: string
  operation: Operation
  record: string | null
  deleted_slug: string | null
}

const STARTED = Date.UTC(2026, 0, 1)
/** An author of a database from before there was a log begins in it with the version that it had. */
const LEGACY_EVERY = 50

/** The log, a change after the other; when it is over, `authors` are those that are there. */
export class OldLog {
  readonly authors = new Map<string, Author>()
  readonly #slugs = new Set<string>()
  readonly #deleted: Author[] = []
  readonly #users: string[]
  readonly #random: () => number
  #clock = STARTED

  constructor(users: string[], random: () => number) {
    this.#users = users
    this.#random = random
  }

  /** About so many changes an author. */
  *write(authors: number, changesAnAuthor: number): Generator<Change> {
    const ids: string[] = []
    for (const content of contents(authors)) {
      const author = this.#create(content, ids.length)
      ids.push(author.id)
      yield this.#logged(author, 'created')
      for (let left = changesAnAuthor - 1; this.#random() < left; left--) {
        const change = this.#change(ids)
        if (change !== undefined) yield change
      }
    }
  }

  /** Takes all authors from users whose accounts are deleted. */
  *disown(users: Set<string>, actor: string): Generator<Change> {
    for (const author of this.authors.values()) {
      if (author.owner_id === null || !users.has(author.owner_id)) continue
      yield this.#logged(this.#revised(author, { owner_id: null }), 'disowned', actor)
    }
  }

  #create(content: OldContent, number: number): Author {
    const id = this.#nextId()
    const at = this.#now
    const { viaf = null, isni = null, wikidata = null, openlibrary = null } = content.identifiers ?? {}
    return this.#insert({
      id,
      slug: this.#freeSlug(content.name, id),
      name: content.name,
      book: content.book,
      country: content.country,
      booker_prize: content.booker_prize ?? false,
      birth_year: content.birth_year ?? null,
      death_year: content.death_year ?? null,
      identifiers: { viaf, isni, wikidata, openlibrary },
      note: content.note ?? null,
      owner_id: this.#pick(this.#users),
      version: number % LEGACY_EVERY === 7 ? 3 : 1,
      created_at: at,
      updated_at: at
    })
  }

  #change(ids: string[]): Change | undefined {
    const operation = this.#pick(['replaced', 'patched', 'patched', 'deleted', 'restored'] as const)
    if (operation === 'restored') return this.#restore()
    const author = this.authors.get(this.#pick(ids))
    if (author === undefined) return undefined
    if (operation === 'deleted') return this.#delete(author)
    const text = `${operation} “${author.version}” é`
    const part = operation === 'patched' ? { note: text } : { country: `${author.country} ${author.version}` }
    return this.#logged(this.#revised(author, part), operation)
  }

  #delete(author: Author): Change {
    this.authors.delete(author.id)
    this.#slugs.delete(author.slug)
    this.#deleted.push(author)
    const gone = { ...author, version: author.version + 1, updated_at: this.#now }
    return { ...this.#logged(gone, 'deleted'), record: null, deleted_slug: author.slug }
  }

  #restore(): Change | undefined {
    if (this.#deleted.length < 3 || this.#random() < 0.5) return undefined
    const [last] = this.#deleted.splice(Math.floor(this.#random() * this.#deleted.length), 1) as [Author]
    const slug = this.#freeSlug(last.name, last.id)
    return this.#logged(
      this.#insert({ ...last, slug, version: last.version + 2, updated_at: this.#now }),
      'restored'
    )
  }

  #insert(author: Author): Author {
    this.authors.set(author.id, author)
    this.#slugs.add(author.slug)
    return author
  }

  #revised(author: Author, part: Partial<Author>): Author {
    return this.#insert({ ...author, ...part, version: author.version + 1, updated_at: this.#now })
  }

  #logged(author: Author, operation: Operation, actor = this.#pick(this.#users)): Change {
    const { id, version, updated_at } = author
    const record = JSON.stringify(author)
    return { author_id: id, version, actor_id: actor, at: updated_at, operation, record, deleted_slug: null }
  }

  #freeSlug(name: string, id: string): string {
    const slug = slugify(name)
    return this.#slugs.has(slug) ? `${slug}-${id.slice(-12)}` : slug
  }

  get #now(): string {
    this.#clock += Math.floor(this.#random() * 3)
    return new Date(this.#clock).toISOString()
  }

  /** Version 7, so that their order is that of creation. */
  #nextId(): string {
    this.#clock += 1
    return uuidAt(this.#clock, this.#random)
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T
  }
}

export function uuidAt(time: number, random: () => number): string {
  const digits = (count: number) =>
    Array.from({ length: count }, () => Math.floor(random() * 16).toString(16)).join('')
  const stamp = time.toString(16).padStart(12, '0')
  return `${stamp.slice(0, 8)}-${stamp.slice(8)}-7${digits(3)}-8${digits(3)}-${digits(12)}`
}

function* contents(count: number): Generator<OldContent> {
  const odd = ODD.slice(0, count)
  yield* odd
  yield* inventAuthors(count - odd.length)
}
