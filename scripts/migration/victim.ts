import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Migrating } from '../../db/sqlite/rebuild/progress.ts'

const SCRIPT = path.join(import.meta.dirname, 'run.ts')
/** Of the last part of a migration, which a random moment rarely meets. */
const ENDING_MS = 40

export type Direction = 'up' | 'down'

/** When a process is killed: so long after its start, or after it has begun to copy, or when all but the last is copied. */
export type Moment = { after: 'start' | 'copying'; ms: number } | { after: 'copied' }

export interface Run {
  hasEnded: boolean
  /** Until it began to copy, and from then on. */
  startMs: number
  copyMs: number
  /** How far it was at its beginning, and after each slice. */
  events: Migrating[]
}

/** Migrates in a process of its own, which is killed at the moment unless it has ended before. Throws when it fails by itself. */
export async function runVictim(
  file: string,
  { direction, rows, moment }: { direction: Direction; rows: number; moment?: Moment | undefined }
): Promise<Run> {
  const began = performance.now()
  const child = spawn(process.execPath, [SCRIPT, file, direction, String(rows)])
  const events: Migrating[] = []
  const timers: NodeJS.Timeout[] = []
  let copyingFrom = began
  const killAfter = (ms: number) => timers.push(setTimeout(() => child.kill('SIGKILL'), ms))
  if (moment?.after === 'start') killAfter(moment.ms)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as Migrating
    if (events.push(event) === 1) {
      copyingFrom = performance.now()
      if (moment?.after === 'copying') killAfter(moment.ms)
    }
    if (event.step === 'check' && moment?.after === 'copied') killAfter(Math.random() * ENDING_MS)
  })
  let errors = ''
  child.stderr.on('data', (data) => {
    errors += data
  })
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once('close', (...exit) => resolve(exit))
  )
  for (const timer of timers) clearTimeout(timer)
  if (signal === null && code !== 0) throw new Error(`the migration failed: ${errors}`)
  return {
    hasEnded: signal === null,
    startMs: copyingFrom - began,
    copyMs: performance.now() - copyingFrom,
    events
  }
}
