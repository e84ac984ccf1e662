/** Sets up, once on a fresh clone, what the tests need beyond `npm ci`: tap without its TypeScript loader, and the tools. */
import { execFileSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.join(import.meta.dirname, '..')

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32'
  })
}

function isNewer(file: string, than: string): boolean {
  const [made, source] = [path.join(ROOT, file), path.join(ROOT, than)]
  return existsSync(made) && statSync(made).mtimeMs >= statSync(source).mtimeMs
}

function install(folder: string): void {
  if (isNewer(`${folder}/node_modules/.package-lock.json`, `${folder}/package-lock.json`)) return
  run('npm', 'ci', '--prefix', folder, '--loglevel', 'error')
}

// A new node_modules has tap as it comes.
const isTapBuilt = ['.taprc', 'node_modules/.package-lock.json'].every((source) =>
  isNewer('.tap/plugins', source)
)
if (!isTapBuilt) run('tap', 'build')
install('tools')
// There is no other build of it among npm's packages.
if (process.platform === 'linux' && process.arch === 'x64') install('tools/litestream')
