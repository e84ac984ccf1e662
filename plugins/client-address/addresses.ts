import { isIP } from 'node:net'
import proxyAddr from '@fastify/proxy-addr'

/** An address in brackets, as IPv6 has them before a port, or one of IPv4, with the port that may follow (RFC 7239 section 6). */
const NODE = /^(?:\[([^\]]*)\]|([\d.]+))(?::[\w.-]*)?$/

/**
 * The IP address in an entry of X-Forwarded-For or of a socket: without quotes, port and zone, in the form of RFC 5952,
 * and in IPv4 when it stands for one. Undefined when there is none in it.
 */
export function parseAddress(entry = ''): string | undefined {
  const node = entry.trim().replace(/^"(.*)"$/, '$1')
  const [, bracketed, dotted] = NODE.exec(node) ?? []
  const [address = ''] = (bracketed ?? dotted ?? node).split('%', 1)
  return isIP(address) === 6 ? canonicalIPv6(address) : isIP(address) === 4 ? address : undefined
}

/** As the URL parser writes it. */
function canonicalIPv6(address: string): string {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(canonical) ?? []
  return high === undefined || low === undefined ? canonical : [high, low].flatMap(bytesOf).join('.')
}

function bytesOf(group: string): number[] {
  const number = Number.parseInt(group, 16)
  return [number >> 8, number & 255]
}

/** Whether an entry is one of these proxies: a list as TRUST_PROXY has it. What is no address is never trusted. */
export function trustedProxies(list: string): (entry: string) => boolean {
  const isTrusted = proxyAddr.compile(list.split(',').map((proxy) => proxy.trim()))
  return (entry) => {
    const address = parseAddress(entry)
    return address !== undefined && isTrusted(address, 0)
  }
}
