import { loadConfig } from '../config.ts'
import { explain } from '../process/explain.ts'

/** The operator made a mistake; the message is a sentence about it. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** Ends an operator's command: with a sentence about what the operator can mend, or with the stack of what nobody has foreseen. */
export function complain(error: unknown): never {
  const sentence = error instanceof Refused ? error.message : explain(error, database())
  console.error(sentence ?? error)
  process.exit(1)
}

/** Nothing where the settings themselves are refused. */
function database(): { databaseUrl?: string } {
  try {
    return { databaseUrl: loadConfig(process.env, { dotenv: true }).DATABASE_URL }
  } catch {
    return {}
  }
}
