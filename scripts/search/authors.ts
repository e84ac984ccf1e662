/** Authors of a catalogue that is hard to search. */
import { below, pick, type Random } from '../../bench/random.ts'
import type { AuthorContent } from '../../db/authors/table.ts'
import { cut, joinWords, LONGEST, longestWord, oneWord, someWords, type Vocabulary } from './words.ts'

/** So many that a finder cannot just collect those who have it. */
const COMMON_COUNTRY = 'Chile'

/** Some differ by nothing but punctuation, some by nothing that counts. */
const COUNTRIES = [
  ...['Côte d’Ivoire', "Côte d'Ivoire", "CÔTE D'IVOIRE", 'Cote d Ivoire', 'Cote dIvoire'],
  ...[
    'Guinea',
    'Guinea-Bissau',
    'Guinea Bissau',
    'Guinea  Bissau',
    'GuineaBissau',
    'Bissau',
    'Equatorial Guinea'
  ],
  ...['U.S.A.', 'USA', 'U S A', 'u.s.a.', 'U.S.A', 'US', 'United States', 'United Kingdom'],
  ...[
    'a\uE001b',
    'a b',
    'ab',
    'a',
    'b',
    'a\uE000b',
    'a\u{F0001}b',
    'a\uFFFFb',
    'a\u{10FFFF}b',
    'a\u0001b',
    'a_b',
    'axb'
  ],
  ...['\uE000booker', 'booker', '\uE001chile', 'Chile!', 'Chile*', '"Chile"', 'Chilé', 'Chi'],
  ...['México', 'Mexico', 'ME\u0301XICO', 'Straße', 'STRASSE', 'Türkiye', 'TÜRKİYE', 'Ísland', 'Việt Nam'],
  ...[
    'Ελλάς',
    'ΕΛΛΑΣ',
    'ελλασ',
    'Россия',
    'Йемен',
    'Иемен',
    'مصر',
    'مِصر',
    'ישראל',
    'भारत',
    'भरत',
    'ไทย',
    'ไท'
  ],
  ...[
    '日本',
    '日',
    '日本国',
    'ニッポン',
    'ﾆｯﾎﾟﾝ',
    '대한민국',
    '한국',
    '𐐀',
    '🇨🇮',
    '🏝️',
    '🏝',
    '!',
    '.',
    '*',
    '%',
    "'"
  ],
  ...[
    '1',
    '01',
    '½',
    'true',
    'null',
    'NOT',
    'NEAR(a b)',
    "'; drop table authors; --",
    'No-break\u00a0space',
    'No-break space'
  ],
  ...[
    'x'.repeat(LONGEST.country),
    `${'x'.repeat(LONGEST.country - 1)}y`,
    '中'.repeat(LONGEST.country),
    'ﷺ'.repeat(LONGEST.country)
  ]
]

export function inventAuthor(random: Random, vocabulary: Vocabulary): AuthorContent {
  return {
    name: inventName(random, vocabulary),
    sort_name: random() < 0.1 ? inventName(random, vocabulary) : null,
    book: random() < 0.05 ? null : inventBook(random, vocabulary),
    country: random() < 0.05 ? null : inventCountry(random, vocabulary),
    booker_prize: random() < 0.02,
    ...inventLife(random),
    identifiers: inventIdentifiers(random),
    note: random() < 0.1 ? oneWord(random, vocabulary) : null
  }
}

export function inventName(random: Random, vocabulary: Vocabulary): string {
  const name =
    random() < 0.002
      ? longestWord(random, vocabulary, LONGEST.name)
      : joinWords(random, someWords(random, vocabulary, 1 + below(random, 3)))
  return visible(cut(name, LONGEST.name))
}

/** Nearly all have `the` and `of`, and half have one of two words of which nobody has both. */
export function inventBook(random: Random, vocabulary: Vocabulary): string {
  if (random() < 0.002) return visible(longestWord(random, vocabulary, LONGEST.book))
  const words = someWords(random, vocabulary, 1 + below(random, 3))
  if (random() < 0.5) words.push(random() < 0.5 ? 'dawn' : 'Dusk')
  if (random() < 0.6) words.push(String(below(random, 30_000)))
  if (random() < 0.001) words.push('rarity')
  if (random() < 0.97) words.unshift('of')
  if (random() < 0.98) words.unshift(random() < 0.9 ? 'The' : 'Théo')
  return visible(cut(joinWords(random, words), LONGEST.book))
}

export function inventCountry(random: Random, vocabulary: Vocabulary): string {
  const which = random()
  if (which < 0.28) return COMMON_COUNTRY
  if (which < 0.9) return pick(random, COUNTRIES)
  return visible(cut(joinWords(random, someWords(random, vocabulary, 1 + below(random, 2))), LONGEST.country))
}

/** A text must have something to see. */
function visible(text: string): string {
  return /[\p{L}\p{N}]/u.test(text) ? text : `${[...text].slice(1).join('')}x`
}

function inventLife(random: Random): Pick<AuthorContent, 'birth_year' | 'death_year'> {
  const which = random()
  if (which < 0.06) return { birth_year: null, death_year: null }
  const birth_year = which < 0.08 ? pick(random, [-3000, -1, 0, 1, 2100]) : 1700 + below(random, 300)
  return { birth_year, death_year: null }
}

/** The rare author of another name whose number is drawn a second time is refused. */
function inventIdentifiers(random: Random): NonNullable<AuthorContent['identifiers']> {
  if (random() < 0.9) return {}
  const number = 1 + below(random, 2 ** 31)
  return {
    viaf: random() < 0.5 ? String(number) : null,
    wikidata: random() < 0.5 ? `Q${number}` : null,
    openlibrary: random() < 0.5 ? `OL${number}A` : null
  }
}
