import cluster from 'node:cluster'
import Fastify, { type FastifyInstance } from 'fastify'
import { app, serverOptions } from './app.ts'
import { WorkerFailed } from './cluster/member.ts'
import { JOINING, lead } from './cluster/primary.ts'
import { addressOf, obeyPrimary, report } from './cluster/worker.ts'
import { type Config, loadConfig, metricsPortOf, workersOf } from './config.ts'
import { claimDatabase } from './db/claim.ts'
import { countContents } from './db/contents.ts'
import { dropPreparedEngine } from './db/prepare.ts'
import { collectStartupGarbageLater } from './db/startup-garbage.ts'
import { openSocketsOf } from './plugins/http/open-sockets.ts'
import { explain } from './process/explain.ts'
import { endWithGrace, type Skipped } from './process/grace.ts'
import { announce, logStart, type Started } from './process/start-line.ts'

/** The process: reads the environment, then serves, or with several WORKERS lets others serve; ends gracefully on a signal. */
async function main(): Promise<void> {
  const config = loadConfig(process.env, { dotenv: true })
  databaseUrl = config.DATABASE_URL
  dropPreparedEngine(config.DATABASE_URL)
  if (cluster.isWorker) return serveForPrimary(config)
  const claim = claimDatabase(config.DATABASE_URL)
  const { started, log } = await (workersOf(config) > 1 ? leadWorkers(config) : serveAlone(config))
  announce(started, { config, log, ...claim })
}

function leadWorkers(config: Config) {
  dropPreparedEngine()
  return lead(config)
}

async function serveAlone(config: Config) {
  const server = Fastify(serverOptions(config))
  logStart(server.log)
  // In a terminal it says that this was closed; elsewhere that we should start again, while others serve.
  const isFromTerminal = process.stdin.isTTY
  drainAtEnd(server, config, isFromTerminal ? [] : ['SIGHUP'])
  if (!isFromTerminal)
    process.on('SIGHUP', () => server.log.warn('SIGHUP does nothing with less than 2 WORKERS'))
  return { started: await listen(server, config), log: server.log }
}

async function serveForPrimary(config: Config): Promise<void> {
  const server = Fastify(serverOptions(config))
  obeyPrimary(server, drainAtEnd(server, config, ['SIGINT', 'SIGTERM', 'SIGHUP']))
  const isJoining = process.env[JOINING] !== undefined
  report(await listen(server, { ...config, HOST: await addressOf(config.HOST) }, isJoining))
}

/** The address of the metrics, if there is to be one. */
async function serveMetrics(server: FastifyInstance, config: Config): Promise<string | undefined> {
  const port = metricsPortOf(config)
  if (port === 0) return undefined
  // Only where it is wanted it is loaded.
  const metrics = await import('./plugins/metrics/server.ts')
  return metrics.serveMetrics(config.METRICS_HOST, port, async () => [await server.metrics.read()])
}

function drainAtEnd(server: FastifyInstance, config: Config, skip: Skipped): () => void {
  const timeout = config.SHUTDOWN_TIMEOUT * 1000
  return endWithGrace({ log: server.log, milliseconds: timeout + 5000, skip }, () => drain(server, timeout))
}

async function listen(server: FastifyInstance, config: Config, isJoining = false): Promise<Started> {
  try {
    await server.register(app, { config, isJoining })
    // Those of workers are served by their primary.
    const metrics = cluster.isWorker ? undefined : await serveMetrics(server, config)
    const address = await server.listen({ host: config.HOST, port: config.PORT })
    const contents = await countContents(server.db)
    collectStartupGarbageLater()
    return { address, metrics, ...contents }
  } catch (error) {
    // Or else the next start would take this one for a crash.
    await server.close()
    throw error
  }
}

/** Answers what still comes on open connections, for so many milliseconds at the most, and closes the database. */
async function drain(server: FastifyInstance, timeout: number): Promise<void> {
  const sockets = openSocketsOf(server.server)
  const overdue = setTimeout(() => sockets.destroyAll(), timeout)
  sockets.letGo()
  await server.close()
  clearTimeout(overdue)
}

/** What the operator can mend is told in a sentence; anything else with its stack. */
function fail(error: Error): void {
  const isToldAlready = error instanceof WorkerFailed && error.hasSaidWhy
  if (!isToldAlready) console.error(explain(error, { databaseUrl }) ?? error)
  process.exit(1)
}

let databaseUrl: string | undefined
main().catch(fail)
