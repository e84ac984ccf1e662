/** What the acts of a recording have in common: the recorder, the operator's script, and those who are signed in. */
import type { Document } from '../fuzz/document.ts'
import type { Answer, Recorder, Sent } from './recorder.ts'

export interface Person {
  id: string
  username: string
  password: string
  token: string
}

export interface Stage {
  wire: Recorder
  document: Document
  /** Runs `npm run user` with these words and gives what it prints. */
  operator(...words: string[]): Promise<string>
  /** Those that all acts know: `anna` is an admin, `boris` and `dora` are editors, `chen` is a reader. */
  cast: Record<'anna' | 'boris' | 'chen' | 'dora', Person>
}

export type Act = (stage: Stage) => Promise<void>

export const PASSWORD = 'the moors last sigh'
export const MERGE_PATCH = 'application/merge-patch+json'
export const NDJSON = 'application/x-ndjson'
export const CSV = 'text/csv'
export const NOBODY = '01900000-0000-7000-8000-000000000000'

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Registers a user and logs in. */
export async function signUp(wire: Recorder, username: string, password = PASSWORD): Promise<Person> {
  const { json: user } = await wire.send('POST /register', { json: { username, password } })
  return { id: user.id, username, password, token: await logIn(wire, username, password) }
}

/** A new session's access token. */
export async function logIn(wire: Recorder, username: string, password = PASSWORD): Promise<string> {
  const { json } = await wire.send('POST /login', { as: basic(username, password) })
  return json.access_token
}

/** A merge patch as a body. */
export function patch(content: unknown): Pick<Sent, 'body'> {
  return { body: [MERGE_PATCH, JSON.stringify(content)] }
}

/** The cursor of a page's `next`. */
export function cursorOf(answer: Answer): string {
  return new URLSearchParams(answer.json.next.split('?')[1]).get('cursor') ?? ''
}

/** A list from this address on, page after page; gives the last answer. */
export async function followAll(wire: Recorder, line: string, sent: Sent): Promise<Answer> {
  let answer = await wire.send(line, sent)
  while (answer.json?.next) answer = await wire.send(`GET ${answer.json.next}`, sent)
  return answer
}
