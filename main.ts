import cluster from 'node:cluster'
import Fastify, { type FastifyInstance } from 'fastify'
import { app, serverOptions } from './app.ts'
import { WorkerFailed } from './cluster/member.ts'
import { JOINING, lead } from './cluster/primary.ts'
import { addressOf, obeyPrimary, report } from './cluster/worker.ts'
import { type Config, ConfigRefused, loadConfig, workersOf } from './config.ts'
import { DatabaseRefused, databaseFile } from './db/dialect.ts'
import { dropPreparedEngine } from './db/prepare.ts'
import { collectStartupGarbageLater } from './db/startup-garbage.ts'
import { endWithGrace, type Skipped } from './grace.ts'
import { openSocketsOf } from './plugins/http/open-sockets.ts'
import { KeysRefused } from './plugins/signing-keys/index.ts'

/** The process: reads the environment, then serves, or with several WORKERS lets others serve; ends gracefully on a signal. */
async function main(): Promise<void> {
  const config = loadConfig(process.env, { dotenv: true })
  if (cluster.isWorker) await serveForPrimary(config)
  else announce(await (workersOf(config) > 1 ? leadWorkers(config) : serveAlone(config)), config)
}

function leadWorkers(config: Config): Promise<string> {
  dropPreparedEngine()
  return lead(config)
}

async function serveAlone(config: Config): Promise<string> {
  const server = Fastify(serverOptions(config))
  // In a terminal it says that this was closed; elsewhere that we should start again, while others serve.
  const isFromTerminal = process.stdin.isTTY
  drainAtEnd(server, config, isFromTerminal ? [] : ['SIGHUP'])
  if (!isFromTerminal)
    process.on('SIGHUP', () => server.log.warn('SIGHUP does nothing with less than 2 WORKERS'))
  return listen(server, config)
}

async function serveForPrimary(config: Config): Promise<void> {
  const server = Fastify(serverOptions(config))
  obeyPrimary(server, drainAtEnd(server, config, ['SIGINT', 'SIGTERM', 'SIGHUP']))
  const isJoining = process.env[JOINING] !== undefined
  report(await listen(server, { ...config, HOST: await addressOf(config.HOST) }, isJoining))
}

function drainAtEnd(server: FastifyInstance, config: Config, skip: Skipped): () => void {
  const timeout = config.SHUTDOWN_TIMEOUT * 1000
  return endWithGrace({ log: server.log, milliseconds: timeout + 5000, skip }, () => drain(server, timeout))
}

async function listen(server: FastifyInstance, config: Config, isJoining = false): Promise<string> {
  try {
    await server.register(app, { config, isJoining })
    const address = await server.listen({ host: config.HOST, port: config.PORT })
    collectStartupGarbageLater()
    return address
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

function announce(address: string, config: Config): void {
  console.log(`Library API   ${address}`)
  console.log(`docs          ${address}/docs`)
  console.log(`data          ${databaseFile(config.DATABASE_URL)}`)
}

/** What the operator can mend is told in a sentence; anything else with its stack. */
function fail(error: NodeJS.ErrnoException & { address?: string; port?: number }): void {
  const isExplained =
    error instanceof ConfigRefused ||
    error instanceof DatabaseRefused ||
    error instanceof KeysRefused ||
    error instanceof WorkerFailed ||
    error.syscall !== undefined
  const isToldAlready = error instanceof WorkerFailed && error.hasSaidWhy
  if (!isToldAlready) console.error(isExplained ? error.message : error)
  process.exit(1)
}

main().catch(fail)
