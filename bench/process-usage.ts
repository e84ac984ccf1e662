/** What Linux knows of a process; elsewhere it is not a number. */
import { existsSync, readFileSync } from 'node:fs'

/** The kernel counts in these for everybody, whatever it uses itself (`man 5 proc`). */
const MICROSECONDS_A_TICK = 10_000

/** The time of a processor that it has used so far, its own and the system's for it. */
export function cpuMicroseconds(pid: number): number {
  const [user, system] = timesOf(pid)
  return Number(user) + Number(system)
}

/** The same with its children, those that have ended too. */
export function treeMicroseconds(pid: number): number {
  const times = timesOf(pid)
  const children = readAbout(pid, `task/${pid}/children`).split(' ').filter(Boolean).map(Number)
  // Between two looks one may end, and be counted with its parent.
  return [...times, ...children.map(cpuMicroseconds)].filter((time) => time > 0).reduce((a, b) => a + b, 0)
}

/** User and system, and those of its children that have ended. */
function timesOf(pid: number): number[] {
  const fields = readAbout(pid, 'stat').split(') ')[1]?.split(' ') ?? []
  return [11, 12, 13, 14].map((index) => Number(fields[index]) * MICROSECONDS_A_TICK)
}

export function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readAbout(pid, 'status'))?.[1]) / 1024
}

function readAbout(pid: number, name: string): string {
  const file = `/proc/${pid}/${name}`
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
