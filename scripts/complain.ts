import { explain } from '../process/explain.ts'

/** The operator made a mistake; the message is a sentence about it. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** Ends an operator's command: with a sentence about what the operator can mend, or with the stack of what nobody has foreseen. */
export function complain(error: unknown): never {
  const databaseUrl = process.env.DATABASE_URL
  const sentence =
    error instanceof Refused ? error.message : explain(error, databaseUrl ? { databaseUrl } : {})
  console.error(sentence ?? error)
  process.exit(1)
}
