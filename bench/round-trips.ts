/** How often the service asks its PostgreSQL server for a request: counted in an instance that is not measured. */
import { request as send } from 'node:http'
import path from 'node:path'
import { json } from 'node:stream/consumers'
import type { Contenders } from './contenders.ts'
import type { Counts } from './counting-service.ts'
import { type Load, putLoad } from './load.ts'
import { ask, type Request } from './requests.ts'

const COUNTED_SECONDS = 1
/** Enough for all that is kept to be there. */
const SETTLING_SECONDS = 0.2
const ALONE = 20
/** On a machine that is busy with other things a short run may be over before anything is answered. */
const MOST_TRIES = 20

/** For one request. */
export interface RoundTrips {
  /** What is sent to the server while many ask: what requests share counts once. */
  queries: number
  /** How often a client that is alone waits for it. */
  inTurn: number
}

/** The load is made of the requests. */
export async function countRoundTrips(
  contenders: Contenders,
  folder: string,
  { load, requests }: { load: Load; requests: Request[] }
): Promise<RoundTrips> {
  const socket = socketIn(folder)
  const { url } = await contenders.counting(socket)
  await putLoad([url], load, SETTLING_SECONDS)
  await takeCounts(socket)
  let answered = 0
  for (let tries = 0; answered === 0 && tries < MOST_TRIES; tries++) {
    answered += (await putLoad([url], load, COUNTED_SECONDS)).requests
  }
  const { queries } = await takeCounts(socket)
  // What nobody waits for any more is done before this is.
  await ask(url, requests[0] as Request)
  await takeCounts(socket)
  for (const request of requests.slice(0, ALONE)) await ask(url, request)
  const { waits } = await takeCounts(socket)
  return { queries: queries / (answered || Number.NaN), inTurn: waits / Math.min(ALONE, requests.length) }
}

export function socketIn(folder: string): string {
  return path.join(folder, 'counts.sock')
}

/** What was counted since this was last called. */
export async function takeCounts(socketPath: string): Promise<Counts> {
  const { promise, resolve, reject } = Promise.withResolvers<Counts>()
  const asked = send({ socketPath }, (answer) => (json(answer) as Promise<Counts>).then(resolve, reject))
  asked.once('error', reject).end()
  return promise
}
