import { printable } from './failures.ts'
import type { ImportCounts, ImportOptions } from './importing.ts'

const ERRORS_SHOWN = 20

/** "1 author", "1,000 authors". */
export function countOf(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

/** What became of the rows of an import, without a full stop. */
export function summarize({ created, unchanged, refused, dry_run: isDry }: ImportCounts): string {
  const [kept, not] = [unchanged, refused].map((number) => number.toLocaleString('en'))
  return `${countOf(created, 'author')} ${isDry ? 'would be created' : 'created'}, ${kept} unchanged, ${not} refused`
}

/** Tells on stderr of the rows that were refused: the first, all by their reasons, and what to do about them. */
export function reportRefused(counts: ImportCounts, { partial, dryRun }: ImportOptions): void {
  const { refused, errors, reasons } = counts
  if (refused === 0) return
  const shown = errors.length > ERRORS_SHOWN ? errors.slice(0, ERRORS_SHOWN) : errors
  for (const { line, pointer, detail } of shown) tell(`line ${line}: ${joined(pointer, detail)}`)
  const more = refused - new Set(shown.map(({ line }) => line)).size
  if (more > 0) tell(`${countOf(more, 'more row')} ${more === 1 ? 'was' : 'were'} refused.`)
  if (more > 0 && reasons.length > 0) tell('All of them by what is wrong:')
  if (more > 0) for (const reason of reasons) tell(describe(reason))
  if (partial) return
  const outcome = dryRun ? 'So nothing would be imported' : 'So nothing was imported'
  console.error(`${outcome}: correct these rows, or keep the good ones with --partial.`)
}

function describe({ reason, pointer, count, example }: ImportCounts['reasons'][number]): string {
  const what = joined(pointer, reason)
  const at = `for example line ${example.line}`
  const isPlain = example.pointer === pointer && example.detail === reason
  const own = isPlain ? at : `${at}: ${joined(example.pointer, example.detail)}`
  return `${count.toLocaleString('en').padStart(9)} x ${what} (${own})`
}

function joined(pointer: string, detail: string): string {
  return [pointer, detail].filter(Boolean).join(' ')
}

function tell(text: string): void {
  console.error(printable(text))
}
