/** Races for accounts and their sessions: each gives what was wrong, if anything was. */
import { randomUUID } from 'node:crypto'
import { stranger } from '../crash/account-acts.ts'
import type { Answer, Call, Client } from '../crash/requests.ts'
import { type Pair, type Rivals, statusesOf } from './rivals.ts'

/** An account that takes part in many races. */
export interface Racer {
  id: string
  password: string
  username: string
}

const anyAddress = () => stranger({ url: '', headers: {} }).headers
const basic = ({ username, password }: Racer) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`

/** Makes an account. */
export async function register(rivals: Rivals, username = `racer-${randomUUID()}`): Promise<Racer> {
  const password = randomUUID()
  const call: Call = { method: 'POST', path: '/register', body: { username, password } }
  const { text } = await rivals.ask(0, call, anyAddress())
  return { id: JSON.parse(text).id, username, password }
}

async function logIn(rivals: Rivals, racer: Racer): Promise<{ access_token: string; refresh_token: string }> {
  const headers = { ...anyAddress(), authorization: basic(racer) }
  const { text } = await rivals.ask(0, { method: 'POST', path: '/login' }, headers)
  return JSON.parse(text)
}

/** The headers of this account, signed in. */
export async function headersOf(rivals: Rivals, racer: Racer): Promise<Client['headers']> {
  return { authorization: `Bearer ${(await logIn(rivals, racer)).access_token}` }
}

/** Both register one name, written in two ways. */
export async function raceForUsername(rivals: Rivals): Promise<string | undefined> {
  const username = `racer-${randomUUID()}`
  const registering = (name: string): Call => ({
    method: 'POST',
    path: '/register',
    headers: anyAddress(),
    body: { username: name, password: randomUUID() }
  })
  const answers = await rivals.race([registering(username), registering(username.toUpperCase())])
  return statusesOf(answers) === '201 and 409' ? undefined : `both register one name: ${statusesOf(answers)}`
}

/** Gives what races for the refresh token of one session, which the next race has the successor of. */
export async function refreshRace(rivals: Rivals, racer: Racer): Promise<() => Promise<string | undefined>> {
  let token = (await logIn(rivals, racer)).refresh_token
  return async () => {
    const refreshing: Call = {
      method: 'POST',
      path: '/refresh',
      headers: anyAddress(),
      body: { refresh_token: token }
    }
    const answers = await rivals.race([refreshing, refreshing])
    if (statusesOf(answers) !== '200 and 200') return `both refresh one token: ${statusesOf(answers)}`
    const [one, other] = answers.map(({ text }) => JSON.parse(text).refresh_token)
    token = one
    return one === other ? undefined : 'one token has two successors'
  }
}

/** Gives what races for the last admin: both demote the other, or themselves. They are admins before and after. */
export function adminRace(rivals: Rivals, racers: Pair<Racer>, headers: Pair<Client['headers']>) {
  return async (): Promise<string | undefined> => {
    const isSelf = Math.random() < 0.5
    const demoting = (by: 0 | 1): Call => ({
      method: 'PATCH',
      path: `/users/${racers[isSelf ? by : by === 0 ? 1 : 0].id}`,
      headers: headers[by],
      body: { role: 'editor' }
    })
    const answers = await rivals.race([demoting(0), demoting(1)])
    const expected = isSelf ? '200 and 409' : '200 and 403'
    if (statusesOf(answers) !== expected) return `both demote one admin: ${statusesOf(answers)}`
    return promoteAgain(rivals, racers, headers, answers)
  }
}

/** By the one who is left; both instances must know at once who that is. */
async function promoteAgain(
  rivals: Rivals,
  racers: Pair<Racer>,
  headers: Pair<Client['headers']>,
  answers: Pair<Answer>
): Promise<string | undefined> {
  const demoted = JSON.parse((answers.find(({ status }) => status === 200) as Answer).text).id
  const left = racers[0].id === demoted ? 1 : 0
  const promoting: Call = { method: 'PATCH', path: `/users/${demoted}`, body: { role: 'admin' } }
  for (const on of [0, 1] as const) {
    const refused = await rivals.ask(on, promoting, headers[1 - left])
    if (refused.status !== 403) return `who was demoted is answered ${refused.status}`
  }
  const { status } = await rivals.ask(Math.random() < 0.5 ? 0 : 1, promoting, headers[left])
  return status === 200 ? undefined : `who is left is answered ${status}`
}
