import { readFileSync } from 'node:fs'
import path from 'node:path'
import manifest from '../../package.json' with { type: 'json' }

const ROOT = path.join(import.meta.dirname, '../..')

/** Which version this is, and of which commit, where that is known. */
export interface Build {
  version: string
  commit: string | null
}

/** A package has its commit in `build.json`, a clone in its `.git`. */
export function readBuild(root = ROOT): Build {
  const commit = packedCommit(root) ?? clonedCommit(root)
  return { version: manifest.version, commit: commit?.slice(0, 12) ?? null }
}

/** For people. */
export function describeBuild({ version, commit }: Build): string {
  return commit === null ? version : `${version} (${commit})`
}

function packedCommit(root: string): string | undefined {
  const text = readIfThere(path.join(root, 'build.json'))
  return text === undefined ? undefined : JSON.parse(text).commit
}

function clonedCommit(root: string): string | undefined {
  const head = readIfThere(path.join(root, '.git/HEAD'))
  const branch = head?.match(/^ref: (.+)$/)?.[1]
  const commit = branch === undefined ? head : (looseCommit(root, branch) ?? packedRef(root, branch))
  return /^[0-9a-f]{40,64}$/.exec(commit ?? '')?.[0]
}

function looseCommit(root: string, branch: string): string | undefined {
  return readIfThere(path.join(root, '.git', branch))
}

function packedRef(root: string, branch: string): string | undefined {
  const lines = readIfThere(path.join(root, '.git/packed-refs'))?.split('\n')
  return lines?.find((line) => line.endsWith(` ${branch}`))?.split(' ', 1)[0]
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
