import { statSync } from 'node:fs'

/** By what a file is known when its name may have passed on to another; one of less than `leastSize` bytes is `nothing`. */
export function identityOf(path: string, leastSize = 1): string {
  try {
    const { dev, ino, size } = statSync(path)
    return size < leastSize ? 'nothing' : `${dev}:${ino}`
  } catch {
    return 'nothing'
  }
}
