/**
 * What is made of a route's schema, made once for all routes that have just the same. Nearly all answers of all routes are the
 * same few problems, and most queries are empty: to compile these for each took half of the start and much memory.
 * `named` are the schemas that may be referred to; `build` gives what makes it when these are known.
 */
export function madeOnce<Route, Made>(
  kind: string,
  named: unknown,
  build: () => (route: Route) => Made
): (route: Route) => Made {
  const name = [kind, ...Object.values(named ?? {}).map(numberOf)].join()
  const { make, made } = known.get(name) ?? { make: build(), made: new Map() }
  known.set(name, { make, made })
  return (route) => {
    const key = JSON.stringify((route as { schema?: unknown }).schema)
    const one = made.get(key) ?? make(route)
    made.set(key, one)
    return one
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what is made differs from kind to kind.
const known = new Map<string, { make: any; made: Map<string, any> }>()

const numbers = new Map<string, number>()
const numbersOfSchemas = new WeakMap<object, number>()

/** Equal schemas have the same. Each part of the service asks with all that are named: to write them down each time took a twelfth of the start. */
function numberOf(schema: object): number {
  const number = numbersOfSchemas.get(schema) ?? numberUnder(JSON.stringify(schema))
  numbersOfSchemas.set(schema, number)
  return number
}

function numberUnder(text: string): number {
  const number = numbers.get(text) ?? numbers.size
  numbers.set(text, number)
  return number
}
