/** What `npx library keys` does, in whichever process. */
import { loadConfig } from '../../config.ts'
import { callOf } from '../../db/command.ts'
import { type Database, openDatabase } from '../../db/database.ts'
import { newKey, rotate, type StoredKey, stateOf } from '../../plugins/signing-keys/key-set.ts'
import { KeysRefused } from '../../plugins/signing-keys/refused.ts'
import { type KeyStore, keyStoreOf } from '../../plugins/signing-keys/store.ts'
import { NUMBER, UsageError } from '../command-line/options.ts'
import { readCommandLine } from '../command-line/read.ts'

const DEFAULT_ANNOUNCEMENT = '120'

type Command = (store: KeyStore, announceSeconds: number) => Promise<string[]>

const COMMANDS: Record<string, Command> = {
  list: async (store) => (await store.look()).keys().map(describe),
  rotate: async (store, announceSeconds) =>
    (await store.change((keys) => rotate(keys, new Date(), announceSeconds))).map(describe),
  create: async (store) => {
    const keys = [newKey(new Date())]
    if (await store.create(keys)) return keys.map(describe)
    throw new KeysRefused(
      `${store.place} has signing keys already: use \`npx library keys rotate\` for another key.`
    )
  },
  encrypt: async (store) => [outcome(await store.recode('encrypted'), 'encrypted')],
  decrypt: async (store) => [outcome(await store.recode('plain'), 'decrypted')]
}

function outcome(count: number, done: string): string {
  if (count === 0) return 'nothing to do'
  return count === 1 ? `1 key was ${done}` : `${count} keys were ${done}`
}

function describe(key: StoredKey): string {
  const state = stateOf(key, new Date())
  const { kid, created_at, active_from, retired_at, expires_at } = key
  const detail = state === 'retired' ? `retired until ${expires_at}` : state
  const times = {
    created: created_at,
    'signs from': active_from,
    'signs until': retired_at,
    'kept until': expires_at
  }
  const told = Object.entries(times).filter(([, time]) => time !== undefined)
  return [kid, detail, ...told.map((pair) => pair.join(' '))].join('  ')
}

function parseCommand(args: readonly string[]) {
  const { positionals, values } = readCommandLine({
    begin: 'npx library keys',
    options: { announce: { type: 'string', default: DEFAULT_ANNOUNCEMENT, looksLike: NUMBER } },
    words: 1,
    args
  })
  const command = new Map(Object.entries(COMMANDS)).get(positionals.join(' '))
  if (command === undefined || !/^\d{1,7}$/.test(values.announce)) throw new UsageError('')
  return { command, announceSeconds: Number(values.announce) }
}

/** Does what the words say with the keys that the settings name; gives what to tell. Throws `UsageError`, and what the operator can mend. */
export async function keys(args: readonly string[], variables: NodeJS.ProcessEnv): Promise<string[]> {
  const { command, announceSeconds } = parseCommand(args)
  let database: Database | undefined
  try {
    const config = loadConfig(variables, { dotenv: true })
    const store = await keyStoreOf(config, async () => {
      database = await openDatabase(config.DATABASE_URL)
      const { reads: db, run } = database
      return { db, run: (command, input) => run(callOf(command, input)) as Promise<never> }
    })
    return await command(store, announceSeconds)
  } finally {
    await database?.close()
  }
}
