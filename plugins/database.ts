import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { lastSequence } from '../db/changes.ts'
import {
  type AnswerForm,
  type CallerCredential,
  type Command,
  callOf,
  type Representation
} from '../db/command.ts'
import { checkWriting } from '../db/commands/checking.ts'
import { type Database, type DatabaseEvent, openDatabase } from '../db/database.ts'
import { isUnavailable } from '../db/dialect.ts'
import type { Answer } from '../db/idempotency-keys.ts'
import { Problem } from '../db/problems.ts'
import type { ReadDb } from '../db/tables.ts'
import { problemOf, withExtras } from '../schemas/errors.ts'
import { countEngineEvents } from './metrics/engine.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** For reading; what writes is a command. */
    db: ReadDb
    /** Another number whenever anything in the database was changed, by whichever process; only to be compared. A promise where a server is asked. */
    dataVersion(): number | Promise<number>
    /** Calls `hear` soon after anything was changed, and maybe more often, until the function that it gives is called. */
    watchData(hear: () => void): () => void
    /** Calls back when what is known of the data may be wrong though `dataVersion` is the same. */
    onDataDoubt(callback: () => void): void
    /** Where the names of files begin that are of this process alone. */
    databaseFiles: string
    /** Whether a server must be asked for `dataVersion`. */
    asksServer: boolean
    /**
     * The one door to everything that writes (docs/architecture.md): runs a command for this caller, who is looked at again in its
     * transaction, and resolves to its output once that is on the disk. Throws `InvalidToken`, `RoleRequired`, what the command refuses
     * with, or what makes the database unavailable.
     */
    run<Input extends object, Output>(
      caller: CallerCredential | 'service',
      command: Command<Input, Output>,
      input: Input
    ): Promise<Output>
    /** The same for a command of which the output is to be an answer; throws `IdempotencyKeyReused` too. See `fastify.write`. */
    runToAnswer<Input extends object>(
      caller: CallerCredential,
      command: Command<Input, Representation>,
      input: Input,
      form: AnswerForm
    ): Promise<Answer>
    /** What is known of the database beside its data, for those who watch over it. */
    databaseState: Pick<Database, 'engineName' | 'folder' | 'load' | 'sizes'>
    /** Throws when the database cannot be read, or not be written. To wait for the writes of others is no reason. */
    checkDatabase(): Promise<void>
  }
}

/** A balancer waits for a few seconds, and an import keeps all instances waiting for as long as that. */
const LONGEST_CHECK_MS = 500

/** `fastify.db` and `fastify.run`: the migrated database that DATABASE_URL names, closed with the service. Throws `DatabaseRefused`. */
async function databasePlugin(fastify: FastifyInstance) {
  const { config, isJoining, metrics, operator, tracing } = fastify
  const countEvent = countEngineEvents(metrics)
  const database = await openDatabase(config.DATABASE_URL, {
    isInUse: isJoining,
    spoolDir: config.SPOOL_DIR,
    signal: (event) => {
      countEvent(event)
      if ('commitMs' in event) tracing?.noteBatch(event)
      logEvent(fastify, event)
    }
  })
  fastify.addHook('onClose', () => database.close())
  const refused = metrics.count({
    name: 'library_writes_unavailable_total',
    help: 'Writes that were answered 503, as when the disk is full or too many wait.'
  })

  async function call(
    caller: CallerCredential | 'service',
    command: Command<object, unknown>,
    input: object,
    form?: AnswerForm
  ): Promise<unknown> {
    const credential = caller === 'service' ? undefined : credentialOf(caller)
    try {
      const own = callOf(command, input, credential, form)
      const run = () => database.run(operator === undefined ? own : { ...own, operator })
      return await (tracing === undefined ? run() : tracing.traceWrite(command.name, run))
    } catch (error) {
      if (isUnavailable(error)) refused.add()
      if (!(error instanceof Problem)) throw error
      throw withExtras(problemOf(error.code, error.details), error.extras)
    }
  }

  fastify.decorate('db', database.reads)
  fastify.decorate('databaseState', database)
  fastify.decorate('databaseFiles', database.files)
  fastify.decorate('asksServer', database.asksServer)
  fastify.decorate('dataVersion', () => database.dataVersion())
  fastify.decorate('watchData', (hear: () => void) => database.watch(hear))
  fastify.decorate('onDataDoubt', (callback: () => void) => database.onDoubt(callback))
  fastify.decorate('run', call as FastifyInstance['run'])
  fastify.decorate('runToAnswer', call as FastifyInstance['runToAnswer'])
  fastify.decorate('checkDatabase', async () => {
    await lastSequence(database.reads)
    await checkWrites()
  })

  let writing: Promise<void> | undefined
  let failure: unknown

  /** Throws why the last attempt failed, when the one that is under way has to wait. There is one at a time, however many ask. */
  async function checkWrites(): Promise<void> {
    writing ??= tryToWrite().finally(() => {
      writing = undefined
    })
    await Promise.race([writing, pause(LONGEST_CHECK_MS, undefined, { ref: false })])
    if (failure !== undefined) throw failure
  }

  async function tryToWrite(): Promise<void> {
    failure = await fastify.run('service', checkWriting, {}).catch((error) => error)
  }
}

/** What another thread must know of a user, and nothing more. */
function credentialOf({ id, role, sessionId, keyHash }: CallerCredential): CallerCredential {
  return keyHash === undefined ? { id, role, sessionId: sessionId ?? '' } : { id, role, keyHash }
}

const SAME_AUTHORS =
  'some authors have become the same as others, with whom they share name and book. All were kept, each at its address: ' +
  'compare each pair, then delete one of them, or change its name or book'

function logEvent({ log }: FastifyInstance, event: DatabaseEvent): void {
  if (event.event === 'checkpoint_failed')
    log.warn(event, 'the write-ahead log could not be copied, and is kept')
  else if (event.event === 'sync_failed') log.fatal(event, 'nothing is written any more')
  else if (event.event === 'migrating') log.info(event, 'the rows are brought to the layout of this version')
  else if (event.event === 'same_authors') log.warn(event, SAME_AUTHORS)
  else if (event.event === 'batch_failed') log.error(event, 'writes could not be done')
  else if (event.event === 'commit_unknown') log.error(event, 'nobody knows whether these writes were done')
  else if (event.event === 'batch_retried') log.warn(event, 'writes are tried again')
  else if (event.event === 'writer_ended') log.error(event, 'the writer thread ended; another one begins')
}

export default fp(databasePlugin, { name: 'database', dependencies: ['metrics', 'tracing'] })
