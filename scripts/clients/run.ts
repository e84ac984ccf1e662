import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { WITHOUT_PROFILE } from '../bash.ts'
import type { Recipe } from './page.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const TOOLS = path.join(ROOT, 'tools/node_modules')
const PRINTED_ADDRESS = 'http://127.0.0.1:3000'

/** Makes the client of the recipe in an empty folder and runs its program against the service there; gives what that prints. */
export async function runRecipe({ language, blocks }: Recipe, url: string, folder: string): Promise<string> {
  const here = (text: string) => text.replaceAll(PRINTED_ADDRESS, url)
  let printed = ''
  if (language === 'TypeScript') linkTools(folder)
  for (const block of blocks) {
    if ('file' in block) writeFileSync(path.join(folder, block.file), here(block.text))
    else if (!block.isInstalling || language !== 'TypeScript')
      printed = await run(here(block.commands), folder)
  }
  return printed
}

/** What `npm install` would bring, from those that are here already. */
function linkTools(folder: string): void {
  const modules = path.join(folder, 'node_modules')
  mkdirSync(path.join(modules, '@types'), { recursive: true })
  for (const name of ['openapi-fetch', 'openapi-typescript', '@hey-api', 'orval', 'zod', 'typescript'])
    symlinkSync(path.join(TOOLS, name), path.join(modules, name), 'junction')
  symlinkSync(path.join(ROOT, 'node_modules/@types/node'), path.join(modules, '@types/node'), 'junction')
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
}

/** Runs the commands as a person would, with the tools that are here; gives what they print. */
async function run(commands: string, folder: string): Promise<string> {
  const places = [path.join(TOOLS, '.bin'), path.dirname(process.execPath), process.env.PATH]
  // Without tap's variables, which would measure the coverage of the tools.
  const { HOME } = process.env
  const env = { PATH: places.join(path.delimiter), HOME, GOFLAGS: '-mod=mod' }
  try {
    const script = `set -e\n${commands.replaceAll(/^npx /gm, '')}`
    const { stdout } = await promisify(execFile)('bash', [...WITHOUT_PROFILE, script], {
      cwd: folder,
      env,
      maxBuffer: 2 ** 26
    })
    return stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${commands}\n${stdout}${stderr}`, { cause: error })
  }
}
