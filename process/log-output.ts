import { setTimeout as sleep } from 'node:timers/promises'

/** In bytes that nobody has read. What comes on top of them is lost: neither requests nor memory wait for a reader of the log. */
const MOST_UNREAD = 4 * 1024 * 1024
const FLUSH_MS = 1000

const ignore = () => {}

/**
 * Writes the log without ever waiting for who reads it. Pino's own stream tries for ever at the end of the process, when the reader is gone
 * or reads nothing, and no signal ends that.
 */
export function logOutput(out: NodeJS.WriteStream): (text: string) => void {
  if (!out.listeners('error').includes(ignore)) out.on('error', ignore)
  return (text) => {
    if (out.writableLength > MOST_UNREAD) return
    try {
      out.write(text)
    } catch {
      // A file on a full disk throws at once.
    }
  }
}

/** Waits until all is written, but not for a reader that takes nothing. */
export async function flushLog(out: NodeJS.WriteStream = process.stdout): Promise<void> {
  if (out.writableLength === 0) return
  const written = new Promise<void>((resolve) => out.write('', () => resolve()))
  await Promise.race([written, sleep(FLUSH_MS)])
}
