import type { Config } from '../../config.ts'
import { DatabaseRefused, openMoveSource, openMoveTarget } from '../../db/dialect.ts'
import type { Tell } from '../../db/moving/events.ts'
import { move } from '../../db/moving/move.ts'
import type { Moved } from '../../db/moving/options.ts'
import { refuseOtherSource } from '../../db/moving/source-schema.ts'
import { keyCompanion } from './keys.ts'

type Settings = Pick<Config, 'DATABASE_URL' | 'KEYS_SECRET' | 'KEYS_SECRET_FILE'>

interface Options {
  tell: Tell
  mostRows?: number | undefined
}

/** Opens both databases, moves all with the signing keys, and closes them. Throws `DatabaseRefused` or `KeysRefused`. */
export async function moveAll(
  { from, to }: { from: Settings; to: Settings },
  options: Options
): Promise<Moved> {
  const source = await named('FROM', openMoveSource(from.DATABASE_URL))
  try {
    await refuseOtherSource(source)
    const target = await named('TO', openMoveTarget(to.DATABASE_URL, { except: source.identity }))
    try {
      const urls = { from: from.DATABASE_URL, to: to.DATABASE_URL }
      const companion = await keyCompanion(from, { source, target, ...urls })
      return await named('FROM or TO', move({ source, target, companion, ...options }))
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** A refusal that says which of the two it is about, or may be. */
async function named<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw error instanceof DatabaseRefused ? new DatabaseRefused(byName(error, name)) : error
  }
}

/** What an error says of a database, with the name that the command has of it. */
export function byName({ message }: Error, name: string): string {
  return message.replaceAll('DATABASE_URL', name)
}
