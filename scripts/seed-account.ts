/** The account that `npx library seed` has made, for its next run: beside the default database, readable by its owner alone. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { BASE_FOLDER } from '../db/base-folder.ts'
import type { Service } from './client/http.ts'

export interface SeedAccount {
  username: string
  password: string
}

export const SEED_ACCOUNT_FILE = path.join(BASE_FOLDER, 'data/seed-account.json')

/** The account of an earlier run at this service, if it is still good. */
export async function findSeedAccount({ url }: Pick<Service, 'url'>): Promise<SeedAccount | undefined> {
  const kept = read()
  if (kept?.url !== url) return undefined
  const { username, password } = kept
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const { ok } = await fetch(`${url}/login`, { method: 'POST', headers: { authorization } })
  return ok ? { username, password } : undefined
}

/** Where it can be kept. */
export function keepSeedAccount({ url }: Pick<Service, 'url'>, { username, password }: SeedAccount): void {
  try {
    mkdirSync(path.dirname(SEED_ACCOUNT_FILE), { recursive: true, mode: 0o700 })
    writeFileSync(SEED_ACCOUNT_FILE, `${JSON.stringify({ url, username, password })}\n`, { mode: 0o600 })
  } catch {
    // In an image nothing can be written there: the next run registers another one.
  }
}

function read(): (SeedAccount & { url: string }) | undefined {
  try {
    return JSON.parse(readFileSync(SEED_ACCOUNT_FILE, 'utf8'))
  } catch {
    return undefined
  }
}
