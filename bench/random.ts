/** Numbers that look random and are the same for the same seed. */

/** A number from 0 up to 1. */
export type Random = () => number

/** By mulberry32 (https://gist.github.com/tommyettinger/46a874533244883189143505d203312c). */
export function mulberry32(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A whole number from 0 up to `limit`, which is left out. */
export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit)
}

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)] as T
}

/** As in a language, the tenth word comes a tenth as often as the first (Zipf's law). */
export function pickZipf<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor((list.length + 1) ** random()) - 1] as T
}
