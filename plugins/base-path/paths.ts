import type { IncomingMessage } from 'node:http'
import proxyAddr from '@fastify/proxy-addr'
import type { FastifyInstance } from 'fastify'
import { type Config, toBasePath } from '../../config.ts'
import { trustedProxies } from '../client-address/addresses.ts'

/** Below which path a request came, where that is not the root. */
const known = new WeakMap<IncomingMessage, string>()

/** The path below which a client finds the service, as this request came: empty at the root, or such as `/library`. */
export function basePathOf(raw: IncomingMessage): string {
  return known.get(raw) ?? ''
}

/** Finds that path, and keeps it for `basePathOf`; without a request it is that of all. */
export type FindBasePath = (raw?: IncomingMessage) => string

/** By BASE_PATH and X-Forwarded-Prefix. Undefined where no request can come below a path, so that it takes no time there. */
export function basePathFinder(config: Pick<Config, 'BASE_PATH' | 'TRUST_PROXY'>): FindBasePath | undefined {
  const configured = toBasePath(config.BASE_PATH) ?? ''
  if (configured === '' && config.TRUST_PROXY === '') return undefined
  const isTrusted = config.TRUST_PROXY === '' ? () => false : trustedProxies(config.TRUST_PROXY)

  return function findBasePath(raw) {
    if (raw === undefined) return configured
    const basePath = forwardedPath(raw, isTrusted) ?? configured
    if (basePath !== '') known.set(raw, basePath)
    return basePath
  }
}

/** Fastify's `rewriteUrl`: takes the base path off the address, where the proxy has not done so. */
export function rewriting(findBasePath: FindBasePath) {
  return function rewriteUrl(this: FastifyInstance, raw: IncomingMessage): string {
    const { url = '/' } = raw
    const basePath = findBasePath(raw)
    // One that begins as our own addresses do can only have been taken off already.
    return basePath === '' || this.beginsOwnAddress(basePath) ? url : withoutPath(url, basePath)
  }
}

/**
 * What trusted proxies say in X-Forwarded-Prefix, each in an entry of its own. Of the entries only as many count as there were
 * such proxies: those before them may be a client's. Undefined when they name no path.
 */
function forwardedPath(raw: IncomingMessage, isTrusted: (address: string) => boolean): string | undefined {
  const entries = String(raw.headers['x-forwarded-prefix'] ?? '').trim()
  if (entries === '') return undefined
  const proxies = proxyAddr.all(raw as never, isTrusted).filter(isTrusted).length
  if (proxies === 0) return undefined
  const paths = entries.split(',').slice(-proxies)
  const parts = paths.map((path) => toBasePath(path.trim()))
  return parts.includes(undefined) ? undefined : toBasePath(parts.join(''))
}

const ORIGIN = /^https?:\/\/[^/?#]*/i

function withoutPath(url: string, basePath: string): string {
  const [origin = ''] = url.startsWith('/') ? [] : (ORIGIN.exec(url) ?? [])
  if (!url.startsWith(basePath, origin.length)) return url
  const rest = url.slice(origin.length + basePath.length)
  if (rest.startsWith('/')) return origin + rest
  return rest === '' || rest.startsWith('?') ? `${origin}/${rest}` : url
}
