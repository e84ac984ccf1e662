import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { usernameKey } from '../../db/text.ts'

/** What attempts are counted by: an address, an account, and the pair of both; hashed, for the store is no list of visitors. */
export interface Keys {
  address: string
  account: string
  pair: string
}

/** The keys of an attempt at the account with this name, however it is written, from this address. */
export function keysOf(username: string, address: string): Keys {
  const account = usernameKey(username)
  const client = clientOf(address)
  return { address: digest(client), account: digest(account), pair: digest(`${account}\0${client}`) }
}

/** The key of an attempt from this address alone. */
export function addressKey(address: string): string {
  return digest(clientOf(address))
}

/** One client has one IPv4 address, but a whole /64 of IPv6 (RFC 6177), with as many addresses as it likes. */
function clientOf(address: string): string {
  const bare = address.split('%', 1)[0] as string
  if (!isIPv6(bare)) return bare
  const groups = groupsOf(bare)
  const isMappedIPv4 = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff'
  return isMappedIPv4 ? toIPv4(groups.slice(6)) : `${groups.slice(0, 4).join(':')}::/64`
}

/** The eight groups of an IPv6 address, in hexadecimal without leading zeros, as the URL parser writes them. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const [first, last] = [head, tail ?? ''].map((half) => half.split(':').filter(Boolean)) as [
    string[],
    string[]
  ]
  return [...first, ...Array(8 - first.length - last.length).fill('0'), ...last]
}

function toIPv4(groups: string[]): string {
  return groups
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
    .join('.')
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
