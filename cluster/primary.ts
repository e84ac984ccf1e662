import Fastify from 'fastify'
import { serverOptions } from '../app.ts'
import { type Config, metricsPortOf, workersOf } from '../config.ts'
import { endWithGrace } from '../process/grace.ts'
import { logStart } from '../process/start-line.ts'
import type { Report } from './member.ts'
import { Pool } from './pool.ts'
import type { Scrapes } from './scrapes.ts'

/** More than a worker takes to end by itself. */
const GRACE_MS = 10_000
/** Tells a worker that others serve the same data already. */
export const JOINING = 'LIBRARY_WORKER_JOINS'

/**
 * The process that starts the workers, replaces those that die, and ends them all; it serves nothing itself. Gives what
 * they have found when all of them listen. Throws `WorkerFailed`.
 */
export async function lead(config: Config) {
  const { log } = Fastify(serverOptions(config))
  logStart(log)
  const size = workersOf(config)
  const pool: Pool = new Pool({
    size,
    log,
    variablesOf: (isJoining) => variablesOf(config, isJoining),
    onEnded: (member) => scrapes?.keepCounts(member)
  })
  const scrapes = metricsPortOf(config) === 0 ? undefined : new (await import('./scrapes.ts')).Scrapes(pool)
  const milliseconds = config.SHUTDOWN_TIMEOUT * 1000 + GRACE_MS
  // Of a terminal that is closed it means the end.
  const isFromTerminal = process.stdin.isTTY
  endWithGrace({ log, milliseconds, skip: isFromTerminal ? [] : ['SIGHUP'] }, async () => {
    if (!(await pool.end())) throw new Error('a worker did not end well')
  })
  if (!isFromTerminal) process.on('SIGHUP', () => pool.roll())
  process.once('exit', () => pool.kill())
  const metrics = scrapes && (await serveMetrics(config, scrapes))
  return { started: { ...(await startIn(pool)), metrics }, log }
}

/** Of a pool that is ended while it starts nothing more is told: who ended it has its exit code already. */
async function startIn(pool: Pool): Promise<Report> {
  try {
    const report = await pool.start()
    if (!pool.isEnding) return report
  } catch (error) {
    if (!pool.isEnding) {
      await pool.end()
      throw error
    }
  }
  return new Promise(() => {})
}

/** Gives the address. Throws what Node does when it cannot listen. */
async function serveMetrics(config: Config, scrapes: Scrapes): Promise<string> {
  const metrics = await import('../plugins/metrics/server.ts')
  return metrics.serveMetrics(config.METRICS_HOST, metricsPortOf(config), () => scrapes.collect())
}

/** What all workers must have in common is as it was at the start, even if `.env` has changed since. */
function variablesOf(config: Config, isJoining: boolean): Record<string, string> {
  const { HOST, PORT, DATABASE_URL, METRICS_PORT, SHUTDOWN_TIMEOUT } = config
  const common = {
    HOST,
    PORT: String(PORT),
    DATABASE_URL,
    METRICS_PORT,
    SHUTDOWN_TIMEOUT: String(SHUTDOWN_TIMEOUT),
    WORKERS: String(workersOf(config))
  }
  return isJoining ? { ...common, [JOINING]: 'yes' } : common
}
