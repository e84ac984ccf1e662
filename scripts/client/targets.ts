import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { STDIO } from './arguments.ts'
import { Failure, fileFailure } from './failures.ts'

/** Where an export goes. */
export interface Target {
  /** What is true of it when the export was not whole. */
  whenBroken: string
  write(chunk: Buffer): Promise<void>
  /** Makes it the file that was asked for. */
  keep(): Promise<void>
  /** Leaves no trace of it, as far as that is possible. */
  discard(): Promise<void>
}

/** That nobody reads stdout any more, as with `| head`. */
export class ClosedPipe extends Error {}

/** The file, or stdout for `-`. Throws `Failure` when it cannot be written. */
export async function openTarget(file: string): Promise<Target> {
  return file === STDIO ? STDOUT : openFile(file)
}

const STDOUT: Target = {
  whenBroken: 'what was written is not whole',
  async write(chunk) {
    const written = Promise.withResolvers<void>()
    process.stdout.write(chunk, (error) => (error ? written.reject(error) : written.resolve()))
    await written.promise.catch((error) => {
      throw error.code === 'EPIPE' ? new ClosedPipe() : fileFailure('written', 'stdout', error)
    })
  },
  async keep() {},
  async discard() {}
}

/** It is written under another name, so that the file itself is whole at any time. */
async function openFile(file: string): Promise<Target> {
  const path = await realpath(file).catch(() => file)
  const part = `${path}.part`
  const handle = await openPart(file, path, part)
  const explained = (error: unknown) => {
    throw fileFailure('written', file, error)
  }
  return {
    whenBroken: `${file} was left as it was`,
    write: (chunk) => handle.writeFile(chunk).catch(explained),
    async keep() {
      await handle.sync().catch(explained)
      await handle.close()
      await rename(part, path).catch(explained)
    },
    async discard() {
      await handle.close().catch(() => {})
      await rm(part, { force: true }).catch(() => {})
    }
  }
}

async function openPart(file: string, path: string, part: string): Promise<FileHandle> {
  const existing = await stat(path).catch(() => undefined)
  if (existing?.isFile() === false) {
    throw new Failure(`${file} is no ordinary file: name another one, or - for stdout.`)
  }
  return open(part, 'wx', existing?.mode).catch((error) => {
    if (error.code !== 'EEXIST') throw fileFailure('written', file, error)
    throw new Failure(
      `${part} is there already: wait for the export that writes it, or delete it if there is none.`
    )
  })
}
