import closeWithGrace from 'close-with-grace'
import Fastify, { type FastifyInstance } from 'fastify'
import { app, serverOptions } from './app.ts'
import { type Config, ConfigRefused, loadConfig } from './config.ts'
import { DatabaseRefused, databaseFile } from './db/dialect.ts'
import { KeysRefused } from './plugins/signing-keys/index.ts'

/** The process: reads the environment, listens, and ends gracefully on a signal. */
async function main(): Promise<void> {
  const config = loadConfig(process.env, { dotenv: true })
  const server = Fastify(serverOptions(config))
  closeWithGrace({ delay: (config.SHUTDOWN_TIMEOUT + 5) * 1000, logger: server.log }, async ({ err }) => {
    if (err) server.log.fatal({ err }, 'unexpected failure')
    await drain(server, config.SHUTDOWN_TIMEOUT * 1000)
  })
  try {
    await server.register(app, { config })
    announce(await server.listen({ host: config.HOST, port: config.PORT }), config)
  } catch (error) {
    // Or else the next start would take this one for a crash.
    await server.close()
    throw error
  }
}

/** Stops listening, lets running requests finish for so many milliseconds, and closes the database. */
async function drain(server: FastifyInstance, timeout: number): Promise<void> {
  // Node closes the connections that are idle at the start of the end, not those that become so later.
  const idle = setInterval(() => server.server.closeIdleConnections(), 50)
  const overdue = setTimeout(() => server.server.closeAllConnections(), timeout)
  await server.close()
  clearInterval(idle)
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
    error.syscall !== undefined
  console.error(isExplained ? error.message : error)
  process.exit(1)
}

main().catch(fail)
