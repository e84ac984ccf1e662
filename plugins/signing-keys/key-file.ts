/** The file beside the database that holds the signing keys: read with suspicion, written whole or not at all. */
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { dirname } from 'node:path'
import { whileLocked } from '../../db/file-lock.ts'
import { inOurTime, parseKeys, type StoredKey } from './key-set.ts'
import { KeysRefused, NEW_KEY_COMMAND } from './refused.ts'

const IS_WINDOWS = process.platform === 'win32'

/** Changes whenever the file does, also when it comes or goes. */
export function fingerprint(path: string): string {
  try {
    const { ino, ctimeNs, size } = statSync(path, { bigint: true })
    return `${ino} ${ctimeNs} ${size}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code as string
  }
}

/** The keys in the file, oldest first, or undefined where there is none. Throws `KeysRefused`. */
export function findKeys(path: string): StoredKey[] | undefined {
  const text = readPrivately(path)
  if (text === undefined) return undefined
  try {
    return inOurTime(parseKeys(text), new Date())
  } catch {
    // What was thrown may quote the file, that is, a secret.
    throw new KeysRefused(
      `${path} does not hold signing keys: restore it from the backup, or delete it and run ${NEW_KEY_COMMAND}.`
    )
  }
}

/** The same where there must be some. Throws `KeysRefused`. */
export function readKeys(path: string): StoredKey[] {
  const keys = findKeys(path)
  if (keys !== undefined) return keys
  throw new KeysRefused(
    `${path}, which holds the signing keys, is missing: restore it from the backup, or run ${NEW_KEY_COMMAND}.`
  )
}

function readPrivately(path: string): string | undefined {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    refuseOpenToOthers(path, fstatSync(file).mode)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof KeysRefused) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new KeysRefused(
      `${path} cannot be read (${code}): ${code === 'EISDIR' ? 'it is a folder and no file' : "let the service's user read it"}.`
    )
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function refuseOpenToOthers(path: string, mode: number): void {
  if (IS_WINDOWS || (mode & 0o077) === 0) return
  const permissions = (mode & 0o777).toString(8)
  throw new KeysRefused(
    `${path} is open to others (mode ${permissions}): run \`chmod 600 ${path}\`, ` +
      `or if somebody may have read it, delete it and run ${NEW_KEY_COMMAND}.`
  )
}

/** Writes the file unless there is one, and tells whether it did: of two processes at once, one makes the keys of both. */
export function createKeyFile(path: string, keys: StoredKey[]): boolean {
  return writeWhole(path, keys, (draft) => {
    try {
      linkSync(draft, path)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      return false
    }
  })
}

/** Replaces the keys in the file by what `change` makes of them, one process at a time. Throws `KeysRefused` or `FileLocked`. */
export function changeKeys(path: string, change: (keys: StoredKey[]) => StoredKey[]): StoredKey[] {
  readKeys(path)
  return whileLocked(`${path}.lock`, () => {
    const keys = change(readKeys(path))
    writeWhole(path, keys, (draft) => renameSync(draft, path))
    return keys
  })
}

/** Under another name until it is on the disk, so that nobody ever reads half a file. */
function writeWhole<T>(path: string, keys: StoredKey[], publish: (draft: string) => T): T {
  const draft = `${path}.${randomUUID()}`
  try {
    writeFileSync(draft, `${JSON.stringify({ keys }, null, 2)}\n`, { flag: 'wx', mode: 0o600, flush: true })
    const result = publish(draft)
    syncFolder(dirname(path))
    return result
  } catch (error) {
    throw new KeysRefused(
      `${path} cannot be written (${(error as Error).message}): let this user write to its folder, and see that its disk has room.`
    )
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Without it a power cut could take back the new name. */
function syncFolder(folder: string): void {
  if (IS_WINDOWS) return
  const handle = openSync(folder, 'r')
  fsyncSync(handle)
  closeSync(handle)
}
