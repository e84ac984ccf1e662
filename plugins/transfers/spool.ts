import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import type { Readable } from 'node:stream'

/**
 * Writes what comes in to a file beside the database that has no name any more, so that nothing can stay behind of it, and does
 * the work with it. `onChunk` is told after each piece how many bytes there are so far, and may throw to end it.
 */
export async function whileSpooled<T>(
  source: Readable,
  databaseFile: string,
  onChunk: (bytes: number) => void,
  work: (file: FileHandle) => Promise<T>
): Promise<T> {
  const path = `${databaseFile}.import-${randomUUID()}`
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    let bytes = 0
    // Left open, so that a refusal can still be answered.
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length
      onChunk(bytes)
      await file.write(chunk)
    }
    return await work(file)
  } finally {
    await file.close()
  }
}
