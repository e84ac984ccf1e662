/** What is wrong with all the rows of an import that are refused, kept in a file until the import has ended. */
import { randomUUID } from 'node:crypto'
import { closeSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { RefusedRow } from '../../schemas/transfers.ts'
import { bytesOf } from './bytes.ts'
import { linesOf } from './ndjson.ts'
import { openNameless, writeAll } from './spool.ts'

export interface RefusedTarget {
  /** An open file, which threads share. */
  fd: number
  /** What comes after so many bytes is left out. */
  mostBytes: number
}

/** So many are in a line, which is an event. */
const ERRORS_A_LINE = 200

/** Writes them to the file, some to a line. */
export function refusedWriter({ fd, mostBytes }: RefusedTarget): (errors: RefusedRow[]) => Promise<void> {
  let bytes = 0
  return async (errors) => {
    for (let at = 0; at < errors.length && bytes < mostBytes; at += ERRORS_A_LINE) {
      const line = Buffer.from(`${JSON.stringify(errors.slice(at, at + ERRORS_A_LINE))}\n`)
      await writeAll(fd, line)
      bytes += line.length
    }
  }
}

/** Does the work with a file beside the database to which it may write; then `onLines` gets the lines. */
export async function withRefusedFile<T>(
  databaseFile: string,
  work: (fd: number) => Promise<T>,
  onLines: (lines: AsyncIterable<string>) => Promise<void>
): Promise<T> {
  const fd = openNameless(`${databaseFile}.refused-${randomUUID()}`)
  try {
    const result = await work(fd)
    await onLines(textsOf(fd))
    return result
  } finally {
    closeSync(fd)
  }
}

async function* textsOf(fd: number): AsyncGenerator<string> {
  for await (const line of linesOf(Readable.from(bytesOf(fd)))) yield line.toString()
}
