import { foldText, wordsOf } from '../text.ts'
import type { AuthorRecord } from './table.ts'

/** Marks the terms that are no words. No word has a character for private use, so that nobody who looks for words finds these. */
const COUNTRY = '\uE000'
const WITH_BOOKER_PRIZE = '\uE003'

/** What the word index has of an author: its words, and terms for filters; with spaces between. */
export function termsOf({ name, book, country, booker_prize }: Worded): string {
  const terms = [...wordsOf(name, book, country), countryTerm(country)]
  return (booker_prize ? [...terms, WITH_BOOKER_PRIZE] : terms).join(' ')
}

type Worded = Pick<AuthorRecord, 'name' | 'book' | 'country' | 'booker_prize'>

/** The term of all authors of a country. What the index might take for a space is written as its code. */
export function countryTerm(country: string): string {
  const code = (character: string) => `\uE001${character.codePointAt(0)?.toString(16)}\uE002`
  return COUNTRY + foldText(country).replace(/[^\p{L}\p{M}\p{N}]/gu, code)
}

/** The term of all authors with a Booker Prize. */
export const bookerPrizeTerm = WITH_BOOKER_PRIZE
