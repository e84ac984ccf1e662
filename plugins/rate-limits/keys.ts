import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { usernameKey } from '../../db/text.ts'
import { parseAddress } from '../client-address/addresses.ts'

/**
 * What attempts are counted by: an address, an account, and the pair of both, which begins with the account; hashed, for the store is
 * no list of visitors.
 */
export interface Keys {
  address: string
  account: string
  pair: string
}

/** The keys of an attempt at the account with this name, however it is written, from this address. */
export function keysOf(username: string, address: string): Keys {
  const name = usernameKey(username)
  const client = clientOf(address)
  const account = accountKey(username)
  return { address: digest(client), account, pair: `${account}.${digest(`${name}\0${client}`)}` }
}

/** The key of this account, however its name is written. */
export function accountKey(username: string): string {
  return digest(usernameKey(username))
}

/** The key of an attempt from this address alone. */
export function addressKey(address: string): string {
  return digest(clientOf(address))
}

/** One client has one IPv4 address, but a whole /64 of IPv6 (RFC 6177), with as many addresses as it likes. */
function clientOf(address: string): string {
  const parsed = parseAddress(address) ?? address
  return isIPv6(parsed) ? `${groupsOf(parsed).slice(0, 4).join(':')}::/64` : parsed
}

/** The eight groups of an IPv6 address in the form of RFC 5952. */
function groupsOf(address: string): string[] {
  const [head = '', tail = ''] = address.split('::')
  const [first, last] = [groups(head), groups(tail)]
  return [...first, ...Array(8 - first.length - last.length).fill('0'), ...last]
}

function groups(text: string): string[] {
  return text.split(':').filter(Boolean)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
