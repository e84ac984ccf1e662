import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { MoveEvent } from '../../db/moving/events.ts'

const SCRIPT = path.join(import.meta.dirname, 'run.ts')

/** A process is killed so long after its start, or after it has told so many events. */
export type Moment = { ms: number } | { events: number }

export interface Run {
  hasEnded: boolean
  ms: number
  events: MoveEvent[]
}

/** Moves in a process of its own, which is killed at the moment unless it has ended before. Throws when it fails by itself. */
export async function runVictim(
  sides: [from: string, to: string],
  rows: number,
  moment?: Moment
): Promise<Run> {
  const began = performance.now()
  const child = spawn(process.execPath, [SCRIPT, ...sides, String(rows)])
  const events: MoveEvent[] = []
  const overdue = moment && 'ms' in moment ? setTimeout(() => child.kill('SIGKILL'), moment.ms) : undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line))
    if (moment && 'events' in moment && events.length >= moment.events) child.kill('SIGKILL')
  })
  let errors = ''
  child.stderr.on('data', (data) => {
    errors += data
  })
  const [code, signal] = await once(child, 'close')
  clearTimeout(overdue)
  if (signal === null && code !== 0) throw new Error(`the move failed: ${errors}`)
  return { hasEnded: signal === null, ms: performance.now() - began, events }
}
