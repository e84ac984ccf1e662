import type { MoveEvent, Tell } from '../../db/moving/events.ts'
import type { Moved } from '../../db/moving/options.ts'
import type { ProgressBar } from '../client/progress.ts'

const LABELS = {
  copying: 'copying',
  comparing: 'comparing',
  replaying: 'replaying the log',
  finding: 'checking the words'
}
const SAY_EVERY_MS = 3000
const CHECKSUM_SHOWN = 16

/** Tells how far a move is: by a bar in a terminal, elsewhere in lines, some seconds apart. */
export function teller(progress: ProgressBar, say: (line: string) => void): Tell {
  let [label, saidAt] = ['', 0]
  return (event: MoveEvent) => {
    if (event.event === 'begun_again') return say('FROM has changed since the move began: all begins again')
    const { done, total } = event
    if (event.event === 'resumed') return say(`going on where it was: ${ofAll(done, total)} are there`)
    const now = performance.now()
    progress.show({ label: LABELS[event.event], unit: 'rows', done, total })
    if (progress.isVisible || (label === LABELS[event.event] && now - saidAt < SAY_EVERY_MS)) return
    ;[label, saidAt] = [LABELS[event.event], now]
    say(`${label}: ${ofAll(done, total)}`)
  }
}

/** What a move has done, a line each. */
export function reportOf({ tables, copied, wasComplete }: Moved, seconds: number): string[] {
  const width = Math.max(...tables.map(({ table }) => table.length))
  const lines = tables.map(
    ({ table, rows, checksum }) =>
      `${table.padEnd(width)}  ${count(rows).padStart(12)} rows  sha256 ${checksum.slice(0, CHECKSUM_SHOWN)}…`
  )
  const same = 'Counts and checksums are the same on both sides'
  if (wasComplete) return [...lines, `${same}: an earlier run had moved all, and nothing was left to do.`]
  const rate = Math.round(copied / Math.max(seconds, 0.001))
  return [
    ...lines,
    `${same}, the log leads to the authors, and the word index has their words.`,
    `All is moved: ${count(copied)} rows in ${Math.ceil(seconds)} s, ${count(rate)} a second. FROM was left as it is. ` +
      'Start the service with DATABASE_URL set to TO.'
  ]
}

function ofAll(done: number, total: number): string {
  return `${count(done)} of ${count(total)} rows`
}

function count(rows: number): string {
  return rows.toLocaleString('en')
}
