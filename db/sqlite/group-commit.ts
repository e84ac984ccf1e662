import { setImmediate as nextRound } from 'node:timers/promises'
import type { CompiledQuery, QueryResult } from 'kysely'
import { Batch } from './batch.ts'
import type { Connection } from './connection.ts'
import { DatabaseBroken, isBusy } from './errors.ts'

/** How long a write waits while another process writes. */
const PATIENCE_MS = 2000
const RETRY_AFTER_MS = 1
/** Between the batches of a process that shares the file, or else it would have the lock again before others have tried. */
const OTHERS_TURN_MS = 1
/** Bounds of a batch, looked at between members, so that few wait for the work of many. */
const MOST_MEMBERS = 256
const LONGEST_BATCH_MS = 20
/** How much of a round of the event loop goes to writes, before those who have asked meanwhile have their turn. */
const LONGEST_SLICE_MS = 0.5
/** To so many writes a round is told that they are done: each then takes its answer, and mostly a next request. */
const TOLD_A_ROUND = 2
/** Or to more, so that all have been told after so many rounds: the next batch has the lock meanwhile. */
const MOST_ROUNDS = 32
/** The savepoint of a member; under a name that nobody gives to a savepoint within it. */
const MEMBER = '"a member of the batch"'

interface Waiter extends PromiseWithResolvers<void> {
  deadline: number
}

interface Options {
  /** Other processes want to write too. */
  isShared: boolean
  /** Whether a batch may begin now; if not, those that wait go on waiting, until `goOn`. */
  mayBegin(): boolean
  /** May throw to refuse all that wait to write. */
  beforeBatch(): void
  beforeCommit(): void
  /** After the commit of a batch of so many writes. */
  afterCommit(writes: number): void
  /** Resolves when what was committed is on the disk. */
  sync(): Promise<undefined>
  /** When the batch is on the disk or undone. */
  beforeTelling(): void
}

/**
 * Group commit: transactions and single writes that come together share one `BEGIN IMMEDIATE ... COMMIT`, and so one sync of
 * the disk. They take turns, one after the other, each transaction after the first in a savepoint of its own, so that a failure
 * undoes that one alone. What was done is told only once the batch is on the disk; when that fails it fails for all of them.
 * A refusal waits for the disk too, for what it found in its way may be the work of another member.
 *
 * The commit comes after the event loop's present round, when all requests that had arrived have had their turn: a client that
 * is alone waits for no other. While many write, a batch is told a few at a time, so that they neither all answer nor
 * all ask again in one round; those that ask again share the next commit, which comes when all have been told of this one.
 */
export class GroupCommit {
  /** With 1, each is committed on its own and at once: what the benchmark compares with. */
  static mostMembers = MOST_MEMBERS

  readonly #writer: Connection
  readonly #options: Options
  readonly #waiting: Waiter[] = []
  #batch: Batch | undefined
  /** Until all of the batch that was committed last have been told. */
  #settling: Promise<void> | undefined
  /** Why nothing can be written any more. */
  #breakdown: DatabaseBroken | undefined
  #isTaken = false
  /** Whether a transaction has the turn. */
  #isInMember = false
  /** Whether its savepoint has begun. */
  #hasSavepoint = false
  #roundEnd: NodeJS.Immediate | undefined
  /** When writes have had their part of this round; none has begun while it is infinite. */
  #sliceEnd = Number.POSITIVE_INFINITY
  #retry: NodeJS.Timeout | undefined
  #othersTurn: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(writer: Connection, options: Options) {
    this.#writer = writer
    this.#options = options
  }

  /** Waits for a turn, and begins a transaction in it, which `commit` or `rollback` must end. */
  async begin(): Promise<void> {
    await this.#turn()
    try {
      if (!this.#isAlone) this.ensureSavepoint()
      this.#isInMember = true
    } catch (error) {
      await this.#pass()
      throw error
    }
  }

  /** Runs a query of the transaction that has its turn. */
  run<R>(query: CompiledQuery): QueryResult<R> {
    return this.#do(() => this.#writer.run<R>(query))
  }

  /** Begins the savepoint of the transaction that has its turn, unless it has one; savepoints within it end with it. */
  ensureSavepoint(): void {
    if (this.#hasSavepoint) return
    this.#do(() => this.#writer.exec(`savepoint ${MEMBER}`))
    this.#hasSavepoint = true
  }

  /** Ends the transaction, unless that throws; the promise resolves when it is on the disk. */
  commit(): Promise<void> {
    this.#do(() => {
      if (this.#hasSavepoint) this.#writer.exec(`release ${MEMBER}`)
    })
    return this.#pass()
  }

  /** Undoes the transaction; the promise resolves when all that it has seen is on the disk. */
  rollback(): Promise<void> {
    if (this.#isOpen) this.#undoMember()
    return this.#pass()
  }

  /** A single write, which is undone by SQLite itself when it fails. */
  async write<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    await this.#turn()
    let result: QueryResult<R> | undefined
    let failure: { error: unknown } | undefined
    try {
      result = this.run<R>(query)
    } catch (error) {
      failure = { error }
    }
    await this.#pass()
    if (failure !== undefined) throw failure.error
    return result as QueryResult<R>
  }

  /** Batches may begin again. */
  goOn(): void {
    this.#next()
  }

  /** Commits what waits for that, undoes the transaction that has its turn, and refuses those that wait for theirs. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#othersTurn)
    clearImmediate(this.#roundEnd)
    for (const { reject } of this.#waiting.splice(0)) reject(new TransactionLost('closed'))
    if (this.#isInMember && this.#isOpen) this.#undoMember()
    this.#isTaken = false
    this.#flush()
    await this.#settling
  }

  /** After some errors, a full disk among them, SQLite has rolled back by itself. */
  get #isOpen(): boolean {
    return this.#writer.inTransaction
  }

  /**
   * Whether nobody else has a part in the batch. A transaction that is alone needs no savepoint, within which SQLite would
   * keep the pages that it changes in memory, and walk through all of them at the end of its statements.
   */
  get #isAlone(): boolean {
    return this.#batch?.members === 1
  }

  /** What is done in a batch that is lost would be on its own, and stay. */
  #do<T>(work: () => T): T {
    if (!this.#isOpen) throw new TransactionLost('rolled back')
    try {
      return work()
    } catch (error) {
      if (!this.#isOpen) this.#batch?.fail(error)
      throw error
    }
  }

  /** Or the whole batch, when nobody else has a part in it or that does not go. */
  #undoMember(): void {
    if (this.#isAlone) {
      this.#dropBatch()
      return
    }
    try {
      this.#writer.exec(`rollback to ${MEMBER}`)
      this.#writer.exec(`release ${MEMBER}`)
    } catch (error) {
      this.#undoBatch(error)
    }
  }

  /** One that nobody waits for. */
  #dropBatch(): void {
    this.#writer.exec('rollback')
    this.#batch = undefined
  }

  #undoBatch(error: unknown): void {
    this.#batch?.fail(error)
    if (this.#isOpen) this.#writer.exec('rollback')
  }

  async #turn(): Promise<void> {
    if (this.#isClosed) throw new TransactionLost('closed')
    const waiter = { ...Promise.withResolvers<void>(), deadline: performance.now() + PATIENCE_MS }
    this.#waiting.push(waiter)
    this.#next()
    return waiter.promise
  }

  /** Ends a turn; resolves when the batch is on the disk, or without a batch all that was committed before. */
  #pass(): Promise<void> {
    const outcome = this.#batch?.outcome() ?? this.#settled()
    this.#isTaken = false
    this.#isInMember = false
    this.#hasSavepoint = false
    if (!this.#isOpen) this.#forgetBatch()
    this.#next()
    return outcome
  }

  async #settled(): Promise<void> {
    if (this.#isClosed) throw new TransactionLost('closed')
    await this.#settling
    if (this.#breakdown !== undefined) throw this.#breakdown
  }

  /** One that is no more, though nobody may have been told yet, as when a member has sent a ROLLBACK of its own. */
  #forgetBatch(): void {
    this.#batch?.fail(new TransactionLost('rolled back'))
    this.#batch = undefined
  }

  /** Gives the turn to whoever waits for it, or when nobody may have it now, sees to the end of the round. */
  #next(): void {
    if (this.#isTaken || this.#isClosed || this.#othersTurn !== undefined) return
    if (this.#batch === undefined && !this.#options.mayBegin()) return
    if (this.#isTurnFree && performance.now() < this.#sliceEnd) this.#giveTurn()
    else if (this.#isCommitDue && GroupCommit.mostMembers === 1) this.#commitBatch()
    else if (this.#isTurnFree || this.#isCommitDue) this.#roundEnd ??= setImmediate(() => this.#endRound())
  }

  /** Whether somebody waits for a turn, and there is room. */
  get #isTurnFree(): boolean {
    return this.#waiting.length > 0 && !this.#batch?.isFull
  }

  get #isCommitDue(): boolean {
    return this.#batch !== undefined && this.#settling === undefined && !this.#isTurnFree
  }

  #giveTurn(): void {
    if (!this.#open()) return
    if (this.#sliceEnd === Number.POSITIVE_INFINITY) {
      this.#sliceEnd = performance.now() + LONGEST_SLICE_MS
      this.#roundEnd ??= setImmediate(() => this.#endRound())
    }
    this.#isTaken = true
    this.#batch?.join()
    this.#waiting.shift()?.resolve()
  }

  #endRound(): void {
    this.#roundEnd = undefined
    this.#sliceEnd = Number.POSITIVE_INFINITY
    if (this.#isTaken) return
    // The answers of this round leave first.
    if (this.#isCommitDue) this.#roundEnd = setImmediate(() => this.#commitBatch())
    else this.#next()
  }

  #commitBatch(): void {
    this.#roundEnd = undefined
    this.#sliceEnd = Number.POSITIVE_INFINITY
    if (this.#isTaken) return
    const commits = this.#isCommitDue
    if (commits) this.#flush()
    if (commits && this.#options.isShared) this.#letOthers()
    else this.#next()
  }

  #letOthers(): void {
    this.#othersTurn = setTimeout(() => {
      this.#othersTurn = undefined
      this.#next()
    }, OTHERS_TURN_MS)
  }

  /** Whether there is a batch now. */
  #open(): boolean {
    if (this.#batch !== undefined) return true
    try {
      if (this.#breakdown !== undefined) throw this.#breakdown
      this.#options.beforeBatch()
      this.#writer.exec('begin immediate')
    } catch (error) {
      this.#refuse(error)
      return false
    }
    this.#batch = new Batch(GroupCommit.mostMembers, LONGEST_BATCH_MS)
    return true
  }

  /** While another process writes, those that wait try again, without blocking the event loop as SQLite's own waiting would. */
  #refuse(error: unknown): void {
    const now = performance.now()
    const isOverdue = ({ deadline }: Waiter) => !isBusy(error) || now > deadline
    while (this.#waiting[0] !== undefined && isOverdue(this.#waiting[0])) this.#waiting.shift()?.reject(error)
    if (this.#waiting.length === 0) return
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#next()
    }, RETRY_AFTER_MS)
  }

  #flush(): void {
    const batch = this.#batch
    if (batch === undefined) return
    try {
      if (this.#breakdown !== undefined) throw this.#breakdown
      this.#options.beforeCommit()
      this.#writer.exec('commit')
    } catch (error) {
      this.#undoBatch(error)
      this.#options.beforeTelling()
      return
    } finally {
      this.#batch = undefined
    }
    this.#settling = this.#settle(batch, this.#settling)
    this.#options.afterCommit(batch.members)
  }

  /** Only at the close there is another `before` it, without which it is not whole. */
  async #settle(batch: Batch, before: Promise<void> | undefined): Promise<void> {
    await before
    this.#breakdown ??= await this.#options.sync().catch((error) => new DatabaseBroken(error))
    this.#options.beforeTelling()
    if (this.#breakdown !== undefined) batch.fail(this.#breakdown)
    const count = Math.max(TOLD_A_ROUND, Math.ceil(batch.members / MOST_ROUNDS))
    while (batch.tell(count)) await nextRound()
    this.#settling = undefined
    this.#next()
  }
}

/** The transaction ended amid its work: rolled back by the engine, the error of the query before says why, or by closing it. */
class TransactionLost extends Error {
  override readonly name = 'TransactionLost'

  constructor(why: 'rolled back' | 'closed') {
    super(why === 'closed' ? 'the database was closed' : 'the transaction was rolled back by the database')
  }
}
