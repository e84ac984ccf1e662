/** Commands that behave as none should. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { sql } from 'kysely'
import { type Representation, serviceCommand, userCommand } from '../../../../db/command.ts'
import { compiledOnce } from '../../../../db/compiled.ts'
import { Problem } from '../../../../db/problems.ts'
import type { Db } from '../../../../db/tables.ts'

const SHORT_MS = 500
const insert = (trx: Db, word: string) => sql`insert into words values (${word})`.execute(trx)

/** How often each word was asked for. */
export const runs = new Map<string, number>()
/** The transaction of a command that has ended. */
export const kept: Db[] = []

export const addWord = serviceCommand('testAddWord', async (trx, { word }: { word: string }) => {
  runs.set(word, (runs.get(word) ?? 0) + 1)
  await insert(trx, word)
  return word
})

const insertAhead = compiledOnce<{ word: string }>()(
  (_db, { word }) => sql`insert into words values (${word})`,
  { resultIsUnused: true }
)

/** Does not wait until they are there. */
export const addAhead = serviceCommand('testAddAhead', async (trx, { words }: { words: string[] }) => {
  for (const word of words) {
    runs.set(word, (runs.get(word) ?? 0) + 1)
    await insertAhead(trx, { word })
  }
  return words.length
})

const insertOther = compiledOnce<{ word: string }>()(
  (_db, { word }) => sql`insert into words (word) values (${word})`,
  { resultIsUnused: true }
)

/** The same in two ways, of which the second comes after the first in any case. */
export const addAheadInTwoWays = serviceCommand(
  'testAddAheadInTwoWays',
  async (trx, { first, others }: { first: string; others: string[] }) => {
    await insertAhead(trx, { word: first })
    for (const word of others) await insertOther(trx, { word })
  }
)

export const catchWhatIsAhead = serviceCommand(
  'testCatchWhatIsAhead',
  async (trx, { word }: { word: string }) => {
    const isThere = await insertAhead(trx, { word }).then(
      () => false,
      () => true
    )
    if (isThere) await insert(trx, `${word} again`)
    return isThere
  }
)

export const addShortly = serviceCommand(
  'testAddShortly',
  async (trx, { word }: { word: string }) => {
    await insert(trx, word)
  },
  SHORT_MS
)

export const doNothing = serviceCommand('testDoNothing', async () => {})

export const addSlowly = serviceCommand(
  'testAddSlowly',
  async (trx, { word, seconds }: { word: string; seconds: number }) => {
    await insert(trx, word)
    await sql`select pg_sleep(${seconds})`.execute(trx)
  }
)

export const sleepTooLong = serviceCommand(
  'testSleepTooLong',
  async (trx, { word }: { word: string }) => {
    await insert(trx, word)
    await sql`select pg_sleep(30)`.execute(trx)
  },
  SHORT_MS
)

export const neverEnd = serviceCommand(
  'testNeverEnd',
  async (trx, { word }: { word: string }) => {
    await insert(trx, word)
    await new Promise(() => {})
  },
  SHORT_MS
)

export const askForEver = serviceCommand(
  'testAskForEver',
  async (trx, { word }: { word: string }) => {
    await insert(trx, word)
    for (;;) await sql`select pg_sleep(0.01)`.execute(trx)
  },
  SHORT_MS
)

/** Goes well alone, and together as it is told. */
export const addBadlyTogether = userCommand<{ word: string; fault: 'sleeps' | 'fails' }, Representation>(
  'testAddBadlyTogether',
  'reader',
  async (trx, { word }) => {
    await insert(trx, word)
    return { body: word }
  },
  {
    longestMs: SHORT_MS,
    runTogether: async (trx, inputs) => {
      for (const { word } of inputs) await insert(trx, word)
      if (inputs[0]?.fault === 'sleeps') await sql`select pg_sleep(30)`.execute(trx)
      throw new TypeError('together')
    }
  }
)

/** Fails while what it has begun is still on its way, and goes on when it has ended. */
export const failBeside = serviceCommand('testFailBeside', async (trx, { word }: { word: string }) => {
  const later = async () => {
    for (let i = 0; i < 20; i++) await yieldToEventLoop()
    await insert(trx, `${word} later`)
  }
  insert(trx, `${word} at once`).catch(() => {})
  later().catch(() => {})
  // It is sent, and nothing was answered.
  for (let i = 0; i < 100; i++) await null
  throw new Problem('KEY_NOT_FOUND', [word])
})

/** Writes with a statement that reads, then fails. */
export const failAfterHiddenWrite = serviceCommand(
  'testFailAfterHiddenWrite',
  async (trx, { word }: { word: string }) => {
    await sql`with added as (insert into words values (${word}) returning word) select * from added`.execute(
      trx
    )
    throw new Problem('KEY_NOT_FOUND', [word])
  }
)

export const catchAndGoOn = serviceCommand('testCatchAndGoOn', async (trx, { word }: { word: string }) => {
  await insert(trx, word)
  await insert(trx, word).catch(() => {})
  await sql`select 1 / 0`.execute(trx).catch(() => {})
  await insert(trx, `${word} too`)
  return word
})

export const rollBack = serviceCommand('testRollBack', async (trx, { word }: { word: string }) => {
  await sql`rollback`.execute(trx)
  await insert(trx, word)
})

export const keepTransaction = serviceCommand('testKeepTransaction', async (trx) => {
  kept.push(trx)
})
