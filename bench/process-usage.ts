/** What Linux knows of a process; elsewhere it is not a number. */
import { existsSync, readFileSync } from 'node:fs'

/** The kernel counts in these for everybody, whatever it uses itself (`man 5 proc`). */
const MICROSECONDS_A_TICK = 10_000

/** The time of a processor that it has used so far, its own and the system's for it. */
export function cpuMicroseconds(pid: number): number {
  const fields = readAbout(pid, 'stat').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_A_TICK
}

export function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readAbout(pid, 'status'))?.[1]) / 1024
}

function readAbout(pid: number, name: string): string {
  const file = `/proc/${pid}/${name}`
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
