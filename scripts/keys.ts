/** `npm run keys -- list|rotate|create`: the signing keys beside the database that DATABASE_URL names. */
import { parseArgs } from 'node:util'
import { loadConfig } from '../config.ts'
import {
  changeKeys,
  createKeyFile,
  KeysRefused,
  keyFileOf,
  readKeys
} from '../plugins/signing-keys/key-file.ts'
import { newKey, rotate, type StoredKey, stateOf } from '../plugins/signing-keys/key-set.ts'

const USAGE = 'usage: npm run keys -- list|rotate [--announce SECONDS]|create'
const DEFAULT_ANNOUNCEMENT = '120'

type Command = (path: string, announceSeconds: number) => StoredKey[]

const COMMANDS: Record<string, Command> = {
  list: readKeys,
  rotate: (path, announceSeconds) => changeKeys(path, (keys) => rotate(keys, new Date(), announceSeconds)),
  create: (path) => {
    const keys = [newKey(new Date())]
    if (createKeyFile(path, keys)) return keys
    throw new KeysRefused(`${path} is there already: use \`npm run keys -- rotate\` for another key.`)
  }
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

function parseCommand() {
  const options = { announce: { type: 'string', default: DEFAULT_ANNOUNCEMENT } } as const
  const { positionals, values } = parseArgs({ options, allowPositionals: true })
  const command = new Map(Object.entries(COMMANDS)).get(positionals.join(' '))
  if (command === undefined || !/^\d{1,7}$/.test(values.announce)) throw new Error()
  return { command, announceSeconds: Number(values.announce) }
}

function parseCommandOrExit() {
  try {
    return parseCommand()
  } catch {
    console.error(USAGE)
    process.exit(2)
  }
}

const { command, announceSeconds } = parseCommandOrExit()
try {
  const path = keyFileOf(loadConfig(process.env, { dotenv: true }).DATABASE_URL)
  for (const key of command(path, announceSeconds)) console.log(describe(key))
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
