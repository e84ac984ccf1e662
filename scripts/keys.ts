/** `npx library keys list|rotate|create`: the signing keys beside the database that DATABASE_URL names. */
import { loadConfig } from '../config.ts'
import {
  changeKeys,
  createKeyFile,
  KeysRefused,
  keyFileOf,
  readKeys
} from '../plugins/signing-keys/key-file.ts'
import { newKey, rotate, type StoredKey, stateOf } from '../plugins/signing-keys/key-set.ts'
import { KeptOptions } from './command-line/kept-options.ts'
import { NUMBER, UsageError } from './command-line/options.ts'
import { helpIfAsked, readCommandLine } from './command-line/read.ts'
import { complain } from './complain.ts'

const USAGE = `usage: npx library keys list|rotate [--announce SECONDS]|create
  list        the keys that sign tokens, and until when
  rotate      adds a key, which signs once it has been announced for so long (120 seconds)
  create      the first key, where its file is lost`
const DEFAULT_ANNOUNCEMENT = '120'

type Command = (path: string, announceSeconds: number) => StoredKey[]

const COMMANDS: Record<string, Command> = {
  list: readKeys,
  rotate: (path, announceSeconds) => changeKeys(path, (keys) => rotate(keys, new Date(), announceSeconds)),
  create: (path) => {
    const keys = [newKey(new Date())]
    if (createKeyFile(path, keys)) return keys
    throw new KeysRefused(`${path} is there already: use \`npx library keys rotate\` for another key.`)
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
  const { positionals, values } = readCommandLine({
    begin: 'npx library keys',
    options: { announce: { type: 'string', default: DEFAULT_ANNOUNCEMENT, looksLike: NUMBER } },
    words: 1
  })
  const command = new Map(Object.entries(COMMANDS)).get(positionals.join(' '))
  if (command === undefined || !/^\d{1,7}$/.test(values.announce)) throw new UsageError('')
  return { command, announceSeconds: Number(values.announce) }
}

function parseCommandOrExit() {
  try {
    return parseCommand()
  } catch (error) {
    const { message } = error as Error
    console.error(error instanceof KeptOptions ? message : `${message}\n${USAGE}`.trim())
    process.exit(2)
  }
}

helpIfAsked(USAGE)
const { command, announceSeconds } = parseCommandOrExit()
try {
  const path = keyFileOf(loadConfig(process.env, { dotenv: true }).DATABASE_URL)
  for (const key of command(path, announceSeconds)) console.log(describe(key))
} catch (error) {
  complain(error)
}
