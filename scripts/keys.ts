/** `npx library keys COMMAND`: the signing keys of the database that DATABASE_URL names, in the file beside it or in itself. */
import { KeptOptions } from './command-line/kept-options.ts'
import { recordOperation } from './command-line/operation.ts'
import { UsageError } from './command-line/options.ts'
import { helpIfAsked } from './command-line/read.ts'
import { complain } from './complain.ts'
import { keys } from './keys/commands.ts'

const USAGE = `usage: npx library keys list|rotate [--announce SECONDS]|create|encrypt|decrypt
  list        the keys that sign tokens, and until when
  rotate      adds a key, which signs once it has been announced for so long (120 seconds)
  create      the first key, where it is lost
  encrypt     encrypts the keys in a database on a server with KEYS_SECRET; with KEYS_SECRET=NEW,OLD those that have another secret too
  decrypt     stores them as they are, so that KEYS_SECRET can go`

function tellUsage(error: UsageError): never {
  const { message } = error
  console.error(error instanceof KeptOptions ? message : `${message}\n${USAGE}`.trim())
  process.exit(2)
}

helpIfAsked(USAGE)
const [word = ''] = process.argv.slice(2).filter((argument) => /^[a-z]+$/.test(argument))
recordOperation(`keys ${word}`)
try {
  for (const line of await keys(process.argv.slice(2), process.env)) console.log(line)
} catch (error) {
  if (error instanceof UsageError) tellUsage(error)
  complain(error)
}
