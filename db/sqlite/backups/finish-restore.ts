/**
 * The last part of a restore. All that is to come lies ready in a folder beside the file; from the moment that the folder has its name it is
 * decided, and who opens the file next ends what was cut short. So a kill or a power cut leaves the old file or the new one.
 */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { whileLocked } from '../../file-lock.ts'
import { sync } from '../../folders.ts'

/** What a copy and the keys beside it are called. */
export const COPY = 'library.db'
export const KEYS = '.keys.json'

export const READY = '.restoring'
/** In the folder: the name that what was there gets, and a lock for those who end a restore. */
export const ASIDE = 'aside'
const LOCK = 'lock'
/** What is left of the folder, to be deleted. */
const DONE = '.restoring-done'

/** Ends a restore that was cut short, if there is one; gives the new name of what was there. */
export function finishRestore(file: string): string | undefined {
  const ready = file + READY
  while (existsSync(ready)) {
    try {
      return whileLocked(path.join(ready, LOCK), () => finish(file, ready))
    } catch (error) {
      // Another process may have ended it meanwhile.
      if (existsSync(ready)) throw error
    }
  }
  return undefined
}

function finish(file: string, ready: string): string | undefined {
  const aside = path.join(ready, ASIDE)
  const setAside = existsSync(aside) ? putInPlace(file, readFileSync(aside, 'utf8')) : undefined
  rmSync(file + DONE, { recursive: true, force: true })
  // In one step, for others may come to look into it.
  renameSync(ready, file + DONE)
  rmSync(file + DONE, { recursive: true, force: true })
  return setAside
}

function putInPlace(file: string, name: string): string | undefined {
  const [ready, aside] = [file + READY, `${file}.${name}`]
  replace(path.join(ready, COPY), file, aside, ['-wal', '-shm', '-journal'])
  replace(path.join(ready, COPY + KEYS), file + KEYS, aside + KEYS)
  sync(path.dirname(file))
  return existsSync(aside) ? aside : undefined
}

/** Who has done this already has no replacement left. What belongs to the old file goes first: it would be taken for the new one's. */
function replace(replacement: string, file: string, aside: string, companions: string[] = []): void {
  if (!existsSync(replacement)) return
  for (const suffix of [...companions, '']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix)
  }
  renameSync(replacement, file)
}
