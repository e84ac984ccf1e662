import { printable } from './failures.ts'
import type { ImportCounts, ImportOptions } from './importing.ts'

/** "1 author", "1,000 authors". */
export function countOf(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

/** What became of the rows of an import, without a full stop. */
export function summarize({ created, unchanged, refused, dry_run: isDry }: ImportCounts): string {
  const [kept, not] = [unchanged, refused].map((number) => number.toLocaleString('en'))
  return `${countOf(created, 'author')} ${isDry ? 'would be created' : 'created'}, ${kept} unchanged, ${not} refused`
}

/** Lists on stderr the rows that were refused, and says what to do about them. */
export function reportRefused({ refused, errors }: ImportCounts, { partial, dryRun }: ImportOptions): void {
  if (refused === 0) return
  for (const { line, pointer, detail } of errors) {
    console.error(printable(`line ${line}: ${[pointer, detail].filter(Boolean).join(' ')}`))
  }
  const more = refused - new Set(errors.map(({ line }) => line)).size
  if (more > 0) console.error(`${countOf(more, 'more row')} ${more === 1 ? 'was' : 'were'} refused.`)
  if (partial) return
  const outcome = dryRun ? 'So nothing would be imported' : 'So nothing was imported'
  console.error(`${outcome}: correct these rows, or keep the good ones with --partial.`)
}
