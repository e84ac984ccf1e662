/** Makes a backup: under a name that no one takes for good until it is on the disk and verified. */
import { chmodSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { sync } from '../folders.ts'
import { DatabaseRefused } from '../refusals.ts'
import type { Copies, Tell } from './copies.ts'
import { hashFiles, sizeOf } from './files.ts'
import { asFolderRefusal, beginPartial, MANIFEST, makeBackupFolder, PARTIAL, whileAlone } from './folder.ts'
import { type Manifest, sealed } from './manifest.ts'

/** A backup that was made. */
export interface Made {
  folder: string
  manifest: Omit<Manifest, 'checksum'>
  bytes: number
}

export interface MakeOptions {
  copies: Copies
  /** Where backups are; it is made if it is not there. */
  folder: string
  /** Of the service. */
  version: string
  tell: Tell
  /** Called once nothing of the database is held any more: what comes then may take its time. */
  whenCopied?: () => void
  /** Whether a backup is still wanted, asked once no other process makes one. */
  isWanted?: () => Promise<boolean>
}

/** Gives nothing when another process makes one there, or none is wanted. Throws `DatabaseRefused`, and leaves nothing behind then. */
export async function makeBackup(options: MakeOptions): Promise<Made | undefined> {
  const { folder, isWanted = async () => true } = options
  makeBackupFolder(folder)
  return whileAlone(folder, async () => ((await isWanted()) ? new Making(options).run() : undefined))
}

class Making {
  readonly #options: MakeOptions
  readonly #partial: string

  constructor(options: MakeOptions) {
    this.#options = options
    this.#partial = beginPartial(options.folder, new Date())
  }

  async run(): Promise<Made> {
    try {
      const manifest = await this.#copyAndVerify()
      return { folder: this.#publish(), manifest, bytes: sizeOf(manifest.files) }
    } catch (error) {
      rmSync(this.#partial, { recursive: true, force: true })
      throw asFolderRefusal(error, this.#options.folder)
    }
  }

  async #copyAndVerify(): Promise<Made['manifest']> {
    const { copies, version, tell, whenCopied } = this.#options
    const partial = this.#partial
    const { contents, madeAt, files: names, notes } = await copies.copyTo(partial, tell)
    whenCopied?.()
    for (const name of names) chmodSync(path.join(partial, name), 0o600)
    const files = await hashFiles(partial, names, tell)
    const checked = await copies.checkCopy(partial, contents, tell)
    if (checked.faults.length > 0) throw new NotVerified(checked.faults)
    const manifest = {
      format: 1 as const,
      version,
      engine: copies.engine,
      schema: contents.schema,
      made_at: madeAt.toISOString(),
      verified_at: new Date().toISOString(),
      verified_by: [...notes, ...checked.notes],
      counts: contents.counts,
      last_sequence: contents.lastSequence,
      files
    }
    writeFileSync(path.join(partial, MANIFEST), sealed(manifest), { flag: 'wx', mode: 0o600 })
    return manifest
  }

  /** Gives it its name, once all of it is on the disk. */
  #publish(): string {
    const { folder } = this.#options
    for (const name of readdirSync(this.#partial)) sync(path.join(this.#partial, name))
    sync(this.#partial)
    const whole = this.#partial.slice(0, -PARTIAL.length)
    renameSync(this.#partial, whole)
    sync(folder)
    return whole
  }
}

/** Another instance makes a backup of the same database. */
export class BackupBusy extends DatabaseRefused {}

/** What was copied is not what it should be. */
class NotVerified extends DatabaseRefused {
  constructor(faults: readonly string[]) {
    super(
      `The backup is not good, and was not kept: ${faults.join('; ')}. ` +
        'Run `npx library db check` to see whether the database itself is sound.'
    )
  }
}
