import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { parseAddress } from './addresses.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The IP address that the client is known by: `request.ip` as `parseAddress` reads it. */
    readonly clientAddress: string
  }
}

/** Of a client that is gone before anybody asks. */
const UNKNOWN = 'unknown'

/** `request.clientAddress`: where a trusted proxy names no address, the client counts as that proxy, and gets no name of its choice. */
async function clientAddressPlugin(fastify: FastifyInstance) {
  fastify.decorateRequest('clientAddress', { getter: clientAddress })
}

function clientAddress(this: FastifyRequest): string {
  const { ips = [this.ip] } = this
  return parseAddress(ips.at(-1)) ?? parseAddress(ips.at(-2)) ?? UNKNOWN
}

export default fp(clientAddressPlugin, { name: 'client-address' })
