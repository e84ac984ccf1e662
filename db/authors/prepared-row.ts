import { slugOfFolded } from '../text.ts'
import { type AuthorContent, completed, type FoldedTexts, foldTexts, type Scheme } from './table.ts'
import { termsOf } from './words.ts'

/**
 * A row that is to be imported, with all that can be known of it without the catalogue. Its content is JSON, because that is what is
 * staged, and passes from thread to thread faster than an object.
 */
export interface PreparedRow {
  /** Where it begins in the file. */
  line: number
  content: string
  birth_year: number | null
  booker_prize: boolean
  identifiers: Record<Scheme, string | null>
  folded: FoldedTexts
  /** The slug, if nobody else has it. */
  slug: string
  /** What the word index is to have of it. */
  terms: string
}

export type Content = ReturnType<typeof completed>

export function prepareRow(line: number, author: AuthorContent): PreparedRow {
  const content = completed(author)
  const { birth_year, booker_prize, identifiers } = content
  const folded = foldTexts(content)
  return {
    line,
    content: JSON.stringify(content),
    birth_year,
    booker_prize,
    identifiers,
    folded,
    slug: slugOfFolded(folded.name),
    terms: termsOf(content, folded)
  }
}

export function contentOf({ content }: Pick<PreparedRow, 'content'>): Content {
  return JSON.parse(content)
}
