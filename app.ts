import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import path from 'node:path'
import autoload from '@fastify/autoload'
import { type FastifyHttpOptions, type FastifyInstance, LogController } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from './config.ts'
import { basePathFinder, rewriting } from './plugins/base-path/paths.ts'
import { trustedProxies } from './plugins/client-address/addresses.ts'
import { sendUnroutedProblem } from './plugins/errors/index.ts'
import { openSocketsOf } from './plugins/http/open-sockets.ts'
import { requestLogger } from './plugins/http/request-logger.ts'
import { serverFactory } from './plugins/http/server.ts'
import { buildSerializer } from './plugins/schemas/serializers.ts'
import { buildValidator } from './plugins/validation.ts'
import { logStream } from './process/log-format.ts'

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
    /** Whether other processes serve the same data already. */
    isJoining: boolean
    /** The account on the host of the operator, where a command of theirs is all that uses this service. */
    operator: string | undefined
  }
}

const UPLOAD_TIMEOUT_MS = 3_600_000
const SECRETS = ['authorization', 'cookie', 'password', 'access_token', 'refresh_token']

/** The options of the Fastify server that `app` is registered on. */
export function serverOptions(config: Config): FastifyHttpOptions<Server> {
  const timeout = config.REQUEST_TIMEOUT * 1000
  const findBasePath = basePathFinder(config)
  return {
    trustProxy: config.TRUST_PROXY === '' ? false : trustedProxies(config.TRUST_PROXY),
    // A migration of many rows takes minutes.
    pluginTimeout: 0,
    bodyLimit: 1024 * 1024,
    // For files that are uploaded; see plugins/body-timeout.ts for the others.
    requestTimeout: UPLOAD_TIMEOUT_MS,
    keepAliveTimeout: 65_000,
    // For a client to read some of its answer.
    connectionTimeout: timeout + Math.min(timeout, 5_000),
    serverFactory: serverFactory({ findBasePath, hasAccessLog: config.ACCESS_LOG === 'on' }),
    ...(findBasePath && { rewriteUrl: rewriting(findBasePath) }),
    // Node's own `close` ends the idle ones, and a worker that retires leaves them open.
    forceCloseConnections: false,
    // Fastify would attach it to the first of several addresses alone; see plugins/http/server.ts.
    clientErrorHandler: () => {},
    // A request that comes in on an open connection while the service ends is still answered, not refused.
    return503OnClosing: false,
    http: {
      maxHeaderSize: 16 * 1024,
      headersTimeout: Math.min(timeout, 15_000),
      connectionsCheckingInterval: Math.min(timeout, 5_000) / 2
    },
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: true },
    schemaController: { compilersFactory: { buildValidator, buildSerializer } },
    genReqId: () => randomUUID(),
    frameworkErrors: sendUnroutedProblem,
    logController: new LogController({
      disableRequestLogging: !['debug', 'trace'].includes(config.LOG_LEVEL)
    }),
    childLoggerFactory: requestLogger,
    logger: {
      level: config.LOG_LEVEL,
      stream: logStream(config),
      redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      // Without the query, where a confused client may have put a token.
      serializers: {
        req: ({ method, url }: { method: string; url: string }) => ({ method, path: url.split('?', 1)[0] })
      }
    }
  }
}

interface AppOptions {
  config: Config
  isJoining?: boolean
  operator?: string
}

/** The whole service as one plugin: the plugins in `plugins/`, each a concern, then the routes in `routes/`, each a resource. */
async function library(fastify: FastifyInstance, { config, isJoining = false, operator }: AppOptions) {
  fastify.decorate('config', config)
  fastify.decorate('isJoining', isJoining)
  fastify.decorate('operator', operator)
  await fastify.register(autoload, {
    dir: path.join(import.meta.dirname, 'plugins'),
    dirNameRoutePrefix: false
  })
  await fastify.register(autoload, { dir: path.join(import.meta.dirname, 'routes') })
  // Fastify waits for the connections of one of several addresses alone; hooks of this kind run last to first.
  fastify.addHook('onClose', () => openSocketsOf(fastify.server).gone())
}

export const app = fp(library, { name: 'library' })
