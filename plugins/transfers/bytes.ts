import { read } from 'node:fs'
import { promisify } from 'node:util'

const CHUNK = 256 * 1024
const readAt = promisify(read)

/** What an open file has, from its beginning. A stream of Node's would close the file, which is not ours. */
export async function* bytesOf(fd: number): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(CHUNK), 0, CHUNK, position)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}
