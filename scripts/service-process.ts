/** The service as a process of its own, for the harnesses that start and end it. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'

const ROOT = path.join(import.meta.dirname, '..')

/** Headers of a signed-in client that sends JSON. */
export type Headers = Record<string, string>

/** It listens at `url`. */
export interface Service {
  url: string
  pid: number
  /** Sends the signal, and waits until the process is gone. */
  end(signal: NodeJS.Signals): Promise<unknown>
}

/** A service that is starting; `url` is there once it listens, and fails with what was printed when it does not come up. */
export interface Starting {
  url: Promise<string>
  pid: number
  end: Service['end']
}

/**
 * Starts the service as `npm start` does, or by another file that ends up there, on a free port; throws what it printed when it does
 * not come up.
 */
export async function startService(
  databaseUrl: string,
  variables: Record<string, string> = {},
  file = 'server.js'
): Promise<Service> {
  const { url, pid, end } = spawnService(databaseUrl, variables, file)
  return { url: await url, pid, end }
}

/** The same without waiting until it listens. */
export function spawnService(
  databaseUrl: string,
  variables: Record<string, string> = {},
  file = 'server.js'
): Starting {
  const settings = { HOST: '127.0.0.1', PORT: '0', DATABASE_URL: databaseUrl, LOG_LEVEL: 'error' }
  const env = { ...process.env, REGISTRATION: 'open', ...settings, ...variables }
  const child = spawn(process.execPath, [file], { cwd: ROOT, env })
  const closed = once(child, 'close')
  let output = ''
  const url = new Promise<string>((resolve, reject) => {
    const read = (data: Buffer) => {
      output += data
      const address = /^Library API +(\S+)\n/m.exec(output)?.[1]
      if (address !== undefined) resolve(address)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    closed.then(() => reject(new Error(`The service did not start:\n${output}`)))
  })
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return closed
  }
  return { url, pid: child.pid as number, end }
}

/** Registers a user, logs in, and gives the headers of a client with that token. */
export async function signIn(url: string, password: string = randomUUID()): Promise<Headers> {
  const username = `user-${randomUUID()}`
  const json = { 'content-type': 'application/json' }
  const body = JSON.stringify({ username, password })
  const registered = await fetch(`${url}/register`, { method: 'POST', headers: json, body })
  if (!registered.ok)
    throw new Error(`POST /register answered ${registered.status}: ${await registered.text()}`)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const answer = await fetch(`${url}/login`, { method: 'POST', headers: { authorization } })
  const token = (await answer.json()) as { access_token: string }
  return { ...json, authorization: `Bearer ${token.access_token}` }
}
