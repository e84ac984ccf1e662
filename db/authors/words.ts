import { foldText, wordsOfFolded } from '../text.ts'
import { type AuthorContent, type FoldedTexts, foldTexts } from './table.ts'

/** Marks the terms that are no words. No word has a character for private use, so that nobody who looks for words finds these. */
const COUNTRY = '\uE000'
const WITH_BOOKER_PRIZE = '\uE003'

/** What the word index has of an author: its words, and terms for filters; with spaces between. */
export function termsOf(author: AuthorContent, folded: FoldedTexts = foldTexts(author)): string {
  const { name, book, country, sort_name, endings } = folded
  const words = wordsOfFolded(name, book, country ?? '', sort_name ?? '')
  return [
    ...(endings.length === 0 ? words : new Set([...words, ...endings])),
    ...(country === null ? [] : [termOfFolded(country)]),
    ...(author.booker_prize ? [WITH_BOOKER_PRIZE] : [])
  ].join(' ')
}

/** The term of all authors of a country. What the index might take for a space is written as its code. */
export function countryTerm(country: string): string {
  return termOfFolded(foldText(country))
}

function termOfFolded(country: string): string {
  const code = (character: string) => `\uE001${character.codePointAt(0)?.toString(16)}\uE002`
  return COUNTRY + country.replace(/[^\p{L}\p{M}\p{N}]/gu, code)
}

/** The term of all authors with a Booker Prize. */
export const bookerPrizeTerm = WITH_BOOKER_PRIZE
