import pg from 'pg'

const BIGINT = 20
const NUMERIC = 1700

/** Numbers come as numbers; none of ours has more than 53 bits. */
export const TYPES = new pg.TypeOverrides()
TYPES.setTypeParser(BIGINT, Number)
TYPES.setTypeParser(NUMERIC, Number)

/** No text on a server has a NUL, and to look for one is an error there; another character that nobody writes finds nothing either. */
export function storable(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\uFFFF') : value
}
