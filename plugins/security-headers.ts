import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import helmet from 'helmet'

/** An answer of this service is data, so nothing may be loaded from it or framed (the docs set their own policy). */
const setHeaders = helmet({
  strictTransportSecurity: false,
  xFrameOptions: { action: 'deny' },
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"]
    }
  }
})

/** They are the same for every answer; to have Helmet make them up each time took a tenth of the time of a read. */
function headersOf(middleware: typeof setHeaders): Record<string, string> {
  const headers: Record<string, string> = {}
  const collector = {
    setHeader(name: string, value: string) {
      headers[name.toLowerCase()] = value
    },
    removeHeader() {}
  }
  middleware({} as IncomingMessage, collector as unknown as ServerResponse, () => {})
  return headers
}

const YEAR_SECONDS = 31_536_000

/**
 * Helmet's headers on every answer; and HSTS where a trusted proxy says that the client came over TLS. Over plain HTTP it would mean
 * nothing (RFC 6797 section 7.2), and for a name such as localhost it would close other services.
 */
async function securityHeaders(fastify: FastifyInstance) {
  const { HSTS, TRUST_PROXY } = fastify.config
  const headers = headersOf(setHeaders)
  const field = `max-age=${YEAR_SECONDS}${HSTS === 'subdomains' ? '; includeSubDomains' : ''}`
  const overTls = HSTS === 'off' ? headers : { ...headers, 'strict-transport-security': field }
  // The service itself speaks no TLS.
  const mayComeOverTls = TRUST_PROXY !== ''
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(mayComeOverTls && request.protocol.toLowerCase() === 'https' ? overTls : headers)
    done()
  })
}

export default fp(securityHeaders, { name: 'security-headers' })
