import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync
} from 'node:fs'
import path from 'node:path'

/** Makes a folder for its owner alone, step by step: Node's own recursive mkdir never ends where folders cannot be made, as below /proc. */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(path.dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (!existsSync(folder)) throw error
  }
}

/** Makes sure that a power cut takes back neither what a file has nor the names in a folder. Windows lets nobody sync what is open for reading. */
export function sync(fileOrFolder: string): void {
  if (process.platform === 'win32') return
  const descriptor = openSync(fileOrFolder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Where a link leads, also to where nothing is yet. What is none, or leads nowhere at all, is left to who opens it. */
export function withoutLink(file: string, mostLinks = 40): string {
  try {
    if (mostLinks === 0 || !lstatSync(file).isSymbolicLink()) return file
    if (existsSync(file)) return realpathSync(file)
    return withoutLink(path.resolve(realpathSync(path.dirname(file)), readlinkSync(file)), mostLinks - 1)
  } catch {
    return file
  }
}
