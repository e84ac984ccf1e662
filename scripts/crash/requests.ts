/** Requests of the crash test's clients. */

/** Who asks whom. */
export interface Client {
  url: string
  headers: Record<string, string>
}

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  headers?: Record<string, string>
  /** As it is, or to be sent as JSON. */
  body?: object | string
}

export interface Answer {
  status: number
  etag: string | null
  text: string
}

/** So many entries a page has at most. */
export const MOST_ON_PAGE = 100

export const MERGE_PATCH = 'application/merge-patch+json'

/** The whole answer; throws when the connection breaks before that. */
export async function ask({ url, headers }: Client, call: Call): Promise<Answer> {
  const { method = 'GET', path, body } = call
  const type = method === 'PATCH' ? MERGE_PATCH : 'application/json'
  const answer = await fetch(url + path, {
    method,
    headers: { ...headers, ...(body && { 'content-type': type }), ...call.headers },
    ...(body && { body: typeof body === 'string' ? body : JSON.stringify(body) })
  })
  return { status: answer.status, etag: answer.headers.get('etag'), text: await answer.text() }
}

/** The answer; none when the connection breaks, and with a 5xx, both of which leave open what became of the request. */
export async function tryAsk(client: Client, call: Call): Promise<Answer | undefined> {
  const answer = await ask(client, call).catch(() => undefined)
  return answer === undefined || answer.status >= 500 ? undefined : answer
}

/** The JSON of an answer; throws when it is not 200, because after a restart nothing is refused. */
export async function read<T>(client: Client, path: string): Promise<T> {
  const { status, text } = await ask(client, { path })
  if (status !== 200) throw new Error(`GET ${path} answered ${status} after a restart: ${text}`)
  return JSON.parse(text)
}

/** All entries of a list, page after page. */
export async function* readAll<T>(client: Client, path: string): AsyncGenerator<T> {
  for (let next: string | null = path; next !== null; ) {
    const page: { data: T[]; next: string | null } = await read(client, next)
    yield* page.data
    next = page.next
  }
}
