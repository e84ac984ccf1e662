/** The recipes of docs/clients.md: what a person would copy from it. */
import { readFileSync } from 'node:fs'
import path from 'node:path'

const PAGE = path.join(import.meta.dirname, '../../docs/clients.md')

/** Commands to run, or a file to save. */
export type Block = { commands: string; isInstalling: boolean } | { file: string; text: string }

/** A way to a client; `title` such as `Go: ogen`. */
export interface Recipe {
  title: string
  language: string
  blocks: Block[]
}

/** What every program prints, and how to come to each. */
export function readPage(): { printed: string; recipes: Recipe[] } {
  const [head = '', ...sections] = readFileSync(PAGE, 'utf8').split(/^## /m)
  const printed = /^```text\n(.*?)^```$/ms.exec(head)?.[1] ?? ''
  const recipes = sections.map((section) => {
    const title = section.split('\n', 1)[0] as string
    const blocks = [...section.matchAll(/^```([^\n]+)\n(.*?)^```$/gms)]
    return {
      title,
      language: title.split(':', 1)[0] as string,
      blocks: blocks.map(([, kind = '', text = '']) => toBlock(kind, text))
    }
  })
  return { printed, recipes }
}

/** A file has its name in a comment on its first line. */
function toBlock(kind: string, text: string): Block {
  if (/^sh\b/.test(kind)) return { commands: text, isInstalling: kind === 'sh install' }
  const file = /^(?:\/\/|#) (\S+)$/m.exec(text)?.[1] as string
  return { file, text }
}
