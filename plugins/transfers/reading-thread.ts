/** The thread of a `RowReader`: it parses, checks and prepares the rows of large files. */
import { Readable } from 'node:stream'
import { type MessagePort, parentPort } from 'node:worker_threads'
import { bytesOf } from './bytes.ts'
import { checkedRows, type FileFormat } from './checked-rows.ts'
import { type PackedRow, packRow } from './packed-rows.ts'

export interface ReadingInput {
  /** An open file, which this process shares. */
  fd: number
  format: FileFormat
  /** Where the rows go, and where their taker answers. It is closed when the file is read no more. */
  port: MessagePort
}

/** One more may come, or none is wanted any more. */
export type Wish = 'taken' | 'enough'

export type ToReadingThread = ReadingInput | 'end'

export type Read = { rows: PackedRow[] } | 'all' | { failure: unknown }

/** So many batches wait to be taken, no more, however large the file is. */
const MOST_WAITING = 4

async function read({ fd, format, port }: ReadingInput): Promise<void> {
  const post = (message: Read) => port.postMessage(message)
  const hasRoom = roomIn(port)
  const source = Readable.from(bytesOf(fd))
  // At once: what is left of the file may have no row for long. What fails by that is told to nobody.
  port.on('message', (wish: Wish) => wish === 'enough' && source.destroy())
  try {
    for await (const rows of checkedRows(source, format)) {
      post({ rows: rows.map(packRow) })
      if (!(await hasRoom())) return
    }
    post('all')
  } catch (failure) {
    post({ failure })
  } finally {
    port.close()
  }
}

/** A function that waits until one more may be posted, and gives whether any is wanted. */
function roomIn(port: MessagePort): () => Promise<boolean> {
  let waiting = 0
  let isWanted = true
  let changed = Promise.withResolvers<void>()
  const change = () => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  port.on('message', (wish: Wish) => {
    waiting -= 1
    if (wish === 'enough') isWanted = false
    change()
  })
  return async () => {
    waiting += 1
    while (isWanted && waiting >= MOST_WAITING) await changed.promise
    return isWanted
  }
}

parentPort?.on('message', (message: ToReadingThread) => {
  if (message === 'end') return parentPort?.close()
  read(message)
})
