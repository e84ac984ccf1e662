import type { FastifyInstance } from 'fastify'
import { type Outcome, SeparateBackups } from '../../db/backups/separate.ts'
import { backupFolderOf, everyMsOf, keepOf } from '../../db/backups/settings.ts'
import {
  type BackupState,
  type Failure,
  forgetFailure,
  lastFailure,
  noteFailure,
  readState
} from '../../db/backups/state.ts'
import packageJson from '../../package.json' with { type: 'json' }

const LONGEST_LOOK_MS = 60_000
const LONGEST_RETRY_MS = 600_000

/** Looks again and again whether a backup is due, and has it made. */
export class Schedule {
  /** As it was at the last look. */
  state: BackupState = { lastAt: undefined, failure: undefined }
  readonly #fastify: FastifyInstance
  readonly #folder: string
  readonly #everyMs: number
  readonly #backups = new SeparateBackups()
  /** Of this process, which the folder may not have taken. */
  #failure: Failure | undefined
  #timer: NodeJS.Timeout | undefined
  #isEnding = false

  constructor(fastify: FastifyInstance) {
    this.#fastify = fastify
    this.#folder = backupFolderOf(fastify.config)
    this.#everyMs = everyMsOf(fastify.config)
  }

  async begin(): Promise<void> {
    await this.#look()
    if (this.#isDue()) {
      await this.#make()
      await this.#look()
    }
    if (this.#isEnding) return
    this.#timer = setTimeout(() => this.begin(), Math.min(this.#everyMs, LONGEST_LOOK_MS)).unref()
  }

  async end(): Promise<void> {
    this.#isEnding = true
    clearTimeout(this.#timer)
    await this.#backups.end(this.#folder)
  }

  /** A folder that cannot be read is told by the backup that fails there. */
  async #look(): Promise<void> {
    const { lastAt, failure } = await readState(this.#folder).catch(() => this.state)
    this.state = { lastAt, failure: lastFailure([failure, this.#failure], lastAt) }
  }

  #isDue(): boolean {
    const { lastAt, failure } = this.state
    const isOver = (at: Date | undefined, ms: number) => at === undefined || Date.now() - at.getTime() >= ms
    const retryMs = Math.min(this.#everyMs, LONGEST_RETRY_MS)
    return !this.#isEnding && isOver(lastAt, this.#everyMs) && isOver(failure?.at, retryMs)
  }

  async #make(): Promise<void> {
    const begun = performance.now()
    const { config } = this.#fastify
    const outcome = await this.#backups.make({
      databaseUrl: config.DATABASE_URL,
      folder: this.#folder,
      version: packageJson.version,
      everyMs: this.#everyMs,
      keep: keepOf(config)
    })
    await this.#tell(outcome, Math.round(performance.now() - begun))
  }

  async #tell(outcome: Outcome, ms: number): Promise<void> {
    const { log } = this.#fastify
    if (outcome === 'not wanted') return
    if ('made' in outcome) {
      this.#failure = undefined
      await forgetFailure(this.#folder)
      log.info({ event: 'backup_made', ms, ...outcome.made }, 'a backup was made and verified')
      return
    }
    this.#failure = { at: new Date(), reason: outcome.failed }
    await noteFailure(this.#folder, this.#failure)
    log.error({ event: 'backup_failed', reason: outcome.failed }, 'no backup could be made')
  }
}
