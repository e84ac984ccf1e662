/**
 * `npm run clients -- [WORD...]`: makes the clients of docs/clients.md, or those whose titles have one of the words, and runs the program of each
 * against a service of its own. Those whose language is not installed are passed over.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { WITHOUT_PROFILE } from './bash.ts'
import { type Recipe, readPage } from './clients/page.ts'
import { runRecipe } from './clients/run.ts'
import { helpIfAsked } from './command-line/read.ts'
import { startService } from './service-process.ts'

const NEEDED: Record<string, string[]> = {
  Python: ['python3', 'curl'],
  Go: ['go', 'curl'],
  'Python: OpenAPI Generator': ['java']
}

helpIfAsked('usage: npm run clients -- [WORD...]')
const words = process.argv.slice(2).map((word) => word.toLowerCase())
const folder = mkdtempSync(path.join(tmpdir(), 'library-clients-'))
const service = await startService(path.join(folder, 'library.db'), { RATE_LIMIT: 'off' })
try {
  const { printed, recipes } = readPage()
  const isWanted = ({ title }: Recipe) =>
    words.length === 0 || words.some((word) => title.toLowerCase().includes(word))
  for (const recipe of recipes.filter(isWanted)) await tryOut(recipe, printed)
} finally {
  await service.end('SIGTERM')
  rmSync(folder, { recursive: true, force: true })
}

async function tryOut(recipe: Recipe, expected: string): Promise<void> {
  const { title, language } = recipe
  const missing = [...(NEEDED[language] ?? []), ...(NEEDED[title] ?? [])].find((command) => !isThere(command))
  if (missing !== undefined) return console.log(`${title}: passed over, ${missing} is not installed`)
  try {
    const printed = await runRecipe(recipe, service.url, mkdtempSync(path.join(folder, 'client-')))
    if (!printed.endsWith(expected)) throw new Error(`printed\n${printed}`)
    console.log(`${title}: right`)
  } catch (error) {
    console.error(`${title}: ${(error as Error).message}`)
    process.exitCode = 1
  }
}

function isThere(command: string): boolean {
  return spawnSync('bash', [...WITHOUT_PROFILE, `command -v ${command}`]).status === 0
}
