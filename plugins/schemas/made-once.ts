/**
 * What `make` makes of a route's schema, made once for all routes that have just the same. Nearly all answers of all routes are the
 * same few problems, and most queries are empty: to compile these for each took half of the start and much memory.
 * `named` are the schemas that may be referred to.
 */
export function madeOnce<Route, Made>(
  kind: string,
  named: unknown,
  make: (route: Route) => Made
): (route: Route) => Made {
  const made = knownUnder(`${kind} ${JSON.stringify(named)}`) as Map<string, Made>
  return (route) => {
    const key = JSON.stringify((route as { schema?: unknown }).schema)
    const one = made.get(key) ?? make(route)
    made.set(key, one)
    return one
  }
}

const known = new Map<string, Map<string, unknown>>()

function knownUnder(name: string): Map<string, unknown> {
  const made = known.get(name) ?? new Map<string, unknown>()
  known.set(name, made)
  return made
}
