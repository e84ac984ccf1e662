import { slipsBetween } from './nearest.ts'

/** An address that a route takes, with `:name` for what can be anything. */
export interface Address {
  url: string
  methods: ReadonlySet<string>
}

/** Segments that a client has before our own addresses, such as `/api/v1`. */
const MOST_BEFORE = 2

interface Guess {
  path: string
  methods: ReadonlySet<string>
  slips: number
}

/** The address that may have been meant by one that there is none at, and if it does not take the method, what it takes. */
export function suggest(path: string, method: string, addresses: Iterable<Address>): string | undefined {
  const written = path.split('/').filter((segment) => segment !== '')
  if (written.length === 0) return undefined
  const guesses = [...addresses].flatMap(({ url, methods }) =>
    guessesAt(written, url).map((guess) => ({ ...guess, methods }))
  )
  const isTaken = ({ methods }: Guess) => methods.has(method)
  const [best] = guesses.sort((a, b) => a.slips - b.slips || Number(isTaken(b)) - Number(isTaken(a)))
  if (best === undefined) return undefined
  return isTaken(best) ? best.path : `${best.path}, which takes ${[...best.methods].sort().join(', ')}`
}

function guessesAt(written: string[], url: string): Omit<Guess, 'methods'>[] {
  const segments = url.split('/').slice(1)
  // The root is like nothing, and the files of the docs nobody types.
  if (url === '/' || segments.includes('*')) return []
  const before = written.length - segments.length
  // What is after the segments that are too many, or all where the last one is left out.
  if (before < -1 || before > MOST_BEFORE) return []
  const meant = written.slice(Math.max(0, before))
  const slips = meant.map((segment, index) => slipsOf(segment, segments[index] as string))
  if (before === -1 && segments.at(-1)?.startsWith(':')) return []
  const path = segments.map((segment, index) => (segment.startsWith(':') ? meant[index] : segment)).join('/')
  const sum = slips.reduce((total, count) => total + count, Math.abs(before))
  return sum < Number.POSITIVE_INFINITY ? [{ path: `/${path}`, slips: sum }] : []
}

function slipsOf(written: string, segment: string): number {
  return segment.startsWith(':') ? 0 : slipsBetween(written, segment)
}
