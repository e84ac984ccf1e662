import { on, once } from 'node:events'
import { fstatSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { MessageChannel, Worker } from 'node:worker_threads'
import { bytesOf } from './bytes.ts'
import { type CheckedRow, checkedRows, type FileFormat } from './checked-rows.ts'
import { unpackRow } from './packed-rows.ts'
import type { Read, ToReadingThread, Wish } from './reading-thread.ts'

const THREAD = path.join(import.meta.dirname, `reading-thread${path.extname(import.meta.filename)}`)
/** A smaller file is read before a thread has started. */
const LARGE_BYTES = 4 * 1024 * 1024

/** Reads the rows of files, of large ones in a thread of its own: to parse, check and prepare a row takes as long as to stage it. */
export class RowReader {
  #thread: Worker | undefined

  /**
   * The rows of an open file, some at a time, checked; in another thread no more are made ready than can be taken. When the last has come,
   * or no more are wanted, nothing reads the file any more.
   */
  read(fd: number, format: FileFormat): AsyncGenerator<CheckedRow[]> {
    const isLarge = fstatSync(fd).size >= LARGE_BYTES
    return isLarge ? this.#readElsewhere(fd, format) : checkedRows(Readable.from(bytesOf(fd)), format)
  }

  /** Lets the thread end. */
  close(): void {
    this.#thread?.postMessage('end' satisfies ToReadingThread)
  }

  async *#readElsewhere(fd: number, format: FileFormat): AsyncGenerator<CheckedRow[]> {
    this.#thread ??= this.#start()
    const { port1, port2 } = new MessageChannel()
    const closed = once(port1, 'close')
    const post = (wish: Wish) => port1.postMessage(wish)
    this.#thread.postMessage({ fd, format, port: port2 } satisfies ToReadingThread, [port2])
    try {
      for await (const [message] of on(port1, 'message', { close: ['close'] }) as AsyncIterable<[Read]>) {
        if (message === 'all') return
        if ('failure' in message) throw message.failure
        post('taken')
        yield message.rows.map(unpackRow)
      }
      throw new Error('the thread that reads the file ended')
    } finally {
      // A port that nobody listens to does not hear that it is closed.
      port1.on('message', () => {})
      post('enough')
      await closed
    }
  }

  /** An error of the thread ends the one that started it too, as nobody hears it, and so the import. */
  #start(): Worker {
    return new Worker(THREAD).once('exit', () => {
      this.#thread = undefined
    })
  }
}
