/** Files and their checksums. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, lstatSync } from 'node:fs'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DatabaseRefused } from '../refusals.ts'
import type { BackedUpFile, Tell } from './copies.ts'

const BYTES_AT_ONCE = 1024 * 1024

/** Reads files one after the other, and tells how far it is with all of them. */
class Reading {
  readonly #step: string
  readonly #total: number
  readonly #tell: Tell
  #done = 0

  constructor(step: string, total: number, tell: Tell) {
    this.#step = step
    this.#total = total
    this.#tell = tell
  }

  /** Reads a file to its end, to another one if that is wanted; gives its checksum. */
  async read(from: string, to?: string): Promise<{ bytes: number; sha256: string }> {
    const hash = createHash('sha256')
    let bytes = 0
    const counter = new Transform({
      transform: (chunk: Buffer, _encoding, callback) => {
        hash.update(chunk)
        bytes += chunk.length
        this.#done += chunk.length
        this.#tell({ step: this.#step, unit: 'bytes', done: this.#done, total: this.#total })
        callback(null, to === undefined ? undefined : chunk)
      }
    })
    const source = createReadStream(from, { highWaterMark: BYTES_AT_ONCE })
    if (to === undefined) await pipeline(source, counter.resume())
    else await pipeline(source, counter, createWriteStream(to, { flags: 'wx', mode: 0o600, flush: true }))
    return { bytes, sha256: hash.digest('hex') }
  }
}

/** The sizes and checksums of files in a folder. */
export async function hashFiles(
  folder: string,
  names: readonly string[],
  tell: Tell
): Promise<BackedUpFile[]> {
  const total = names.reduce((sum, name) => sum + lstatSync(path.join(folder, name)).size, 0)
  const reading = new Reading('computing checksums', total, tell)
  const files: BackedUpFile[] = []
  for (const name of names) files.push({ name, ...(await reading.read(path.join(folder, name))) })
  return files
}

/** Why files are not those of a manifest, a sentence each. */
export async function findSpoiltFiles(
  folder: string,
  files: readonly BackedUpFile[],
  tell: Tell
): Promise<string[]> {
  const reading = new Reading('comparing checksums', sizeOf(files), tell)
  const faults: string[] = []
  for (const file of files) {
    const from = path.join(folder, file.name)
    const size = sizeIn(from)
    if (size === undefined) faults.push(`its ${file.name} is missing`)
    else if (size !== file.bytes)
      faults.push(`its ${file.name} has ${size} bytes, and should have ${file.bytes}`)
    else if ((await reading.read(from)).sha256 !== file.sha256)
      faults.push(`its ${file.name} has another checksum, so it was changed after it was written`)
  }
  return faults
}

/** Copies files of a backup, under names of their own, to the disk. Throws `DatabaseRefused` when one is not what it should be. */
export async function copyFiles(
  files: readonly (BackedUpFile & { from: string; to: string })[],
  tell: Tell
): Promise<void> {
  const reading = new Reading('copying', sizeOf(files), tell)
  for (const { from, to, sha256 } of files) {
    if ((await reading.read(from, to)).sha256 !== sha256)
      throw new DatabaseRefused(`${from} was changed while it was copied: try again, or take another backup.`)
  }
}

export function sizeOf(files: readonly BackedUpFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}

function sizeIn(file: string): number | undefined {
  const found = lstatSync(file, { throwIfNoEntry: false })
  return found?.isFile() ? found.size : undefined
}
