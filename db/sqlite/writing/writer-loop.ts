/** What the thread of a `Writer` does, the only one that writes: it runs calls in batches (`BatchRunner`), and copies the log between them. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { type Call, COMMANDS, loadCommands, stagedFileOf } from '../../command.ts'
import { postAll } from '../../messages.ts'
import { collectStartupGarbageLater } from '../../startup-garbage.ts'
import { runTogether } from '../../together.ts'
import { asRefusal, DatabaseRefused, DatabaseUnavailable, isFailedSync } from '../errors.ts'
import { identityOf } from '../identity.ts'
import { whileAttached } from '../staged.ts'
import { openMigrated } from '../upkeep/migrating.ts'
import { type BatchResult, BatchRunner } from './batch.ts'
import { type Outcome, toFailure } from './outcome.ts'
import type { Answer, Batch, FromThread, ThreadData, ToThread } from './protocol.ts'

/** Rows that are changed before the log is copied: some thousand pages of it. */
const CHANGES_A_CHECKPOINT = 5000
const UNSYNCED = 'the write-ahead log could not be synced; see to the disk, then restart'

const port = parentPort as NonNullable<typeof parentPort>
const post = (message: FromThread) => port.postMessage(message)

async function open({ file, usage, knownAs }: ThreadData) {
  if (knownAs !== undefined && identityOf(file) !== knownAs) throw missing(file)
  return openMigrated(file, usage, { tell: post, tellSame: post })
}

/** Runs calls until the end; gives what hears the messages. */
function serve({ file, mostCalls }: ThreadData, { connection, db }: Awaited<ReturnType<typeof open>>) {
  const batches = new BatchRunner(connection, (calls) => runTogether(db, calls), mostCalls)
  const changes = connection.valueOf<number>('select total_changes()')
  const identities = identitiesOf(file)
  let queue: [number, Call][] = []
  let copiedChanges = 0
  let isLogLarge = false
  let isWorking = false
  let isEnding = false
  /** Why nothing may be written any more. */
  let breakdown: Outcome | undefined

  function note(message: ToThread): void {
    if (message === 'end') isEnding = true
    else if (message !== 'exit' && 'calls' in message) queue = queue.concat(message.calls)
  }

  function noteAll(): void {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      note(next.message)
    }
  }

  async function work(): Promise<void> {
    if (isWorking) return
    isWorking = true
    for (noteAll(); queue.length > 0; noteAll()) await workOff()
    isWorking = false
    if (isEnding) end()
  }

  async function workOff(): Promise<void> {
    const { outcomes, lockMs, commitMs } = await nextBatch()
    const answers = outcomes.map((outcome, index): Answer => [queue[index]?.[0] as number, outcome])
    queue = queue.slice(outcomes.length)
    postAnswers(answers, { calls: outcomes.length, lockMs, commitMs, waiting: queue.length })
    checkpointIfDue()
  }

  async function nextBatch() {
    const stop = breakdown ?? missingFile()
    if (stop !== undefined) return { outcomes: queue.map(() => stop), lockMs: 0, commitMs: 0 }
    const result = await runFirst()
    if (isFailedSync(result.error)) {
      breakdown = toFailure(new DatabaseUnavailable(UNSYNCED))
      post({ event: 'sync_failed', reason: UNSYNCED })
    }
    return result
  }

  /** A call that reads a staged file is a batch of its own. */
  async function runFirst(): Promise<BatchResult> {
    const [, first] = queue[0] as [number, Call]
    const file = stagedFileOf(first)
    if (file === undefined) return batches.run(waitingForOneBatch)
    isLogLarge = true
    try {
      return await whileAttached(connection, file, () => batches.run(() => [first]))
    } catch (error) {
      return { error, outcomes: [toFailure(error)], lockMs: 0, commitMs: 0 }
    }
  }

  function waitingForOneBatch(): Call[] {
    noteAll()
    const calls = queue.map(([, call]) => call)
    const index = calls.findIndex((call) => stagedFileOf(call) !== undefined)
    return index === -1 ? calls : calls.slice(0, index)
  }

  /** What is written to a file that was moved, deleted or emptied would be gone with the process. */
  function missingFile(): Outcome | undefined {
    return identitiesOf(file) === identities ? undefined : toFailure(missing(file))
  }

  function checkpointIfDue(): void {
    try {
      if (!isLogLarge && changes() - copiedChanges < CHANGES_A_CHECKPOINT) return
      copiedChanges = changes()
      // To cut a large log takes long, which the next write would have to do.
      post({ event: 'checkpoint', ...connection.checkpoint(isLogLarge ? 'truncate' : 'passive') })
      isLogLarge = false
    } catch (error) {
      // As on a full disk: what is in the log is safe there until another time.
      post({ event: 'checkpoint_failed', reason: (error as Error).message })
    }
  }

  function end(): void {
    connection.close()
    hear = undefined
    post('ended')
  }

  return (message: ToThread) => {
    note(message)
    work()
  }
}

function postAnswers(answers: Answer[], batch: Batch): void {
  const post = (some: Answer[]) => port.postMessage({ answers: some, batch } satisfies FromThread)
  postAll(answers, post, ([id], error) => post([[id, toFailure(error)]]))
}

function identitiesOf(file: string): string {
  return `${identityOf(file)} ${identityOf(`${file}-wal`, 0)}`
}

function missing(file: string): DatabaseUnavailable {
  return new DatabaseUnavailable(
    `${file} or its log was moved, deleted or emptied while it was in use; put it back, or restart the service`
  )
}

let hear: ((message: ToThread) => void) | undefined
/** What came while the database was being opened. */
const early: ToThread[] = []

async function begin(data: ThreadData): Promise<void> {
  try {
    hear = serve(data, await open(data))
    post({ ready: identityOf(data.file) })
    collectStartupGarbageLater()
    for (const message of early.splice(0)) hear(message)
  } catch (thrown) {
    const error = asRefusal(thrown, data.file)
    const { message, stack } = error as Error
    post(error instanceof DatabaseRefused ? { refused: message } : { broken: { message, stack } })
    process.exit()
  }
}

await loadCommands([COMMANDS, ...workerData.commandFolders])
port.on('message', (message: ToThread) => {
  if (message === 'exit') process.exit()
  else if (message !== 'end' && 'open' in message) begin(message.open)
  else if (hear === undefined) early.push(message)
  else hear(message)
})
