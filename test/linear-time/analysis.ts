/**
 * Tells of regular expressions whether they take linear time: of those in the files that stdin names, and of further ones. It is a process
 * of its own, because it takes ten times as long where coverage is taken.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { json } from 'node:stream/consumers'

export interface Expression {
  place: string
  source: string
  flags: string
}

export interface Analysed extends Expression {
  isLinear: boolean
}

export interface Task {
  /** Of TypeScript. */
  files: string[]
  more: Expression[]
}

// Its analysis in this process, where its others start one.
process.env.RECHECK_SYNC_BACKEND = 'pure'
const tools = createRequire(new URL('../../tools/package.json', import.meta.url))

interface SyntaxNode {
  kind: number
  text?: string
  forEachChild(callback: (node: SyntaxNode) => void): void
}

/** The expressions that stand in a source file. */
function writtenIn(place: string): Expression[] {
  const { createSourceFile, ScriptTarget, SyntaxKind } = tools('typescript')
  const found: Expression[] = []
  const visit = (node: SyntaxNode) => {
    if (node.kind === SyntaxKind.RegularExpressionLiteral) {
      const [, source = '', flags = ''] = /^\/(.*)\/(\w*)$/s.exec(node.text ?? '') ?? []
      found.push({ place, source, flags })
    }
    node.forEachChild(visit)
  }
  visit(createSourceFile(place, readFileSync(place, 'utf8'), ScriptTarget.Latest))
  return found
}

/** Where nothing repeats without bounds, a search is linear. */
function repeats({ source }: Expression): boolean {
  return /[*+]|\{\d+,\}/.test(source)
}

/** What the analysis cannot prove, such as an expression that looks ahead, counts as not linear; it takes the time it needs. */
function isLinear({ source, flags }: Expression): boolean {
  return tools('recheck').checkSync(source, flags, { checker: 'automaton', timeout: null }).status === 'safe'
}

function analyse({ files, more }: Task): Analysed[] {
  const all = [...files.flatMap(writtenIn), ...more].filter(repeats)
  const distinct = new Map(all.map((expression) => [`/${expression.source}/${expression.flags}`, expression]))
  return [...distinct.values()].map((expression) => ({ ...expression, isLinear: isLinear(expression) }))
}

if (import.meta.main) console.log(JSON.stringify(analyse((await json(process.stdin)) as Task)))
