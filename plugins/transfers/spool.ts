import { randomUUID } from 'node:crypto'
import { closeSync, openSync, unlinkSync, write } from 'node:fs'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'

const writeSome = promisify(write)

/**
 * Writes what comes in to a file beside the database that has no name any more, so that nothing can stay behind of it, and does
 * the work with it. `onChunk` is told after each piece how many bytes there are so far, and may throw to end it.
 */
export async function whileSpooled<T>(
  source: Readable,
  databaseFile: string,
  onChunk: (bytes: number) => void,
  work: (fd: number) => Promise<T>
): Promise<T> {
  const fd = openNameless(`${databaseFile}.import-${randomUUID()}`)
  try {
    let bytes = 0
    // Left open, so that a refusal can still be answered.
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length
      onChunk(bytes)
      await writeAll(fd, chunk)
    }
    return await work(fd)
  } catch (error) {
    // What still comes of a refused upload is dropped: unread, it would hide that its client has gone.
    source.resume()
    throw error
  } finally {
    closeSync(fd)
  }
}

/** Opens a file that has no name any more, for reading and writing; both in one tick, so that hardly any crash leaves the file with its name. */
export function openNameless(path: string): number {
  const fd = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  return fd
}

/** On a disk that is nearly full only a part is written, which is no error yet. */
export async function writeAll(fd: number, chunk: Buffer): Promise<void> {
  for (let rest = chunk; rest.length > 0; ) {
    const { bytesWritten } = await writeSome(fd, rest)
    rest = rest.subarray(bytesWritten)
  }
}
