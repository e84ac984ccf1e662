const EVERY_MS = 100

/** The function, called no more than ten times a second; the calls between are left out. */
export function seldom<T>(tell: (value: T) => void): (value: T) => void {
  let last = 0
  return (value) => {
    if (performance.now() - last < EVERY_MS) return
    last = performance.now()
    tell(value)
  }
}
