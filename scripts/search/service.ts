/** The service as those who search it know it. */
import { setDefaultResultOrder } from 'node:dns'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import type { Change } from './oracle.ts'

setDefaultResultOrder('ipv4first')

const MERGE_PATCH = 'application/merge-patch+json'
const NDJSON = 'application/x-ndjson'

export interface Page {
  data: AuthorRecord[]
  next: string | null
  total?: number
}

interface Answer {
  status: number
  text: string
}

/** A user who is signed in. */
export class User {
  readonly id: string
  readonly #url: string
  readonly #authorization: string

  private constructor(url: string, id: string, authorization: string) {
    this.#url = url
    this.id = id
    this.#authorization = authorization
  }

  static async signIn(url: string, authorization: string): Promise<User> {
    const { id } = (await (await fetch(`${url}/me`, { headers: { authorization } })).json()) as { id: string }
    return new User(url, id, authorization)
  }

  async send(method: string, path: string, type?: string, body?: string): Promise<Answer> {
    const headers = {
      authorization: this.#authorization,
      ...(type !== undefined && { 'content-type': type })
    }
    const answer = await fetch(this.#url + path, { method, headers, ...(body !== undefined && { body }) })
    return { status: answer.status, text: await answer.text() }
  }

  /** The body of a page or another answer; throws when it is not 200. */
  async get(path: string, accept = 'application/json'): Promise<string> {
    const headers = { authorization: this.#authorization, accept }
    const answer = await fetch(this.#url + path, { headers })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${text}`)
    return text
  }

  async page(path: string): Promise<Page> {
    return JSON.parse(await this.get(path))
  }

  /** All authors as they can be imported again. */
  export(): Promise<string> {
    return this.get('/authors/export', NDJSON)
  }

  import(authors: AuthorContent[]): Promise<Answer> {
    const file = authors.map((author) => `${JSON.stringify(author)}\n`).join('')
    return this.send('POST', '/authors/import?mode=partial', NDJSON, file)
  }

  patch({ id }: AuthorRecord, patch: object): Promise<Answer> {
    return this.send('PATCH', `/authors/${id}`, MERGE_PATCH, JSON.stringify(patch))
  }

  replace({ id }: AuthorRecord, content: AuthorContent): Promise<Answer> {
    return this.send('PUT', `/authors/${id}`, 'application/json', JSON.stringify(content))
  }

  create(content: AuthorContent): Promise<Answer> {
    return this.send('POST', '/authors', 'application/json', JSON.stringify(content))
  }

  delete({ id }: AuthorRecord): Promise<Answer> {
    return this.send('DELETE', `/authors/${id}`)
  }

  restore({ id }: AuthorRecord): Promise<Answer> {
    return this.send('POST', `/authors/${id}/restore`)
  }

  leave(password: string): Promise<Answer> {
    return this.send('DELETE', '/me', 'application/json', JSON.stringify({ password }))
  }

  /** The changes after one of them. */
  async *changesAfter(sequence: number): AsyncGenerator<Change> {
    let next: string | null = `/changes?since=${sequence}&limit=100`
    while (next !== null) {
      const page: { data: Change[]; next: string | null } = JSON.parse(await this.get(next))
      yield* page.data
      next = page.next
    }
  }
}
