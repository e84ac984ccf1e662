/** Identifiers of authors in other catalogues: the forms in which people have them, and the one in which they are kept. */

export type Scheme = 'viaf' | 'isni' | 'wikidata' | 'openlibrary'

interface Form {
  title: string
  /** The one form that is kept. */
  kept: RegExp
  /** The identifier in an address, or at the end of one. */
  address: RegExp
  /** What people write before it. */
  prefix: RegExp
  /** Without what divides it into groups, and in the right case. */
  tidy(text: string): string
  /** What is wrong with a tidy text that is none. */
  explain(text: string): string | undefined
}

const withoutBlanks = (text: string) => text.replace(/\s/g, '')
const inCapitals = (text: string) => withoutBlanks(text).toUpperCase()
const SITE = '^<?(?:(?:https?:)?//)?(?:www\\.|m\\.)?'
const REST = '([^/?#>]{1,60})'

const FORMS: Record<Scheme, Form> = {
  viaf: {
    title: 'VIAF identifier',
    kept: /^[1-9][0-9]{0,21}$/,
    address: new RegExp(`${SITE}(?:viaf\\.org)?/?(?:[a-z]{2}/)?viaf/${REST}`, 'i'),
    prefix: /^(?:urn:|\()?viaf(?: ?id)?[):\s=-]*/i,
    // A column of numbers with empty cells is one of fractions to many programs.
    tidy: (text) => withoutBlanks(text).replace(/^(\d{1,15})[.,]0{1,9}$/, '$1'),
    explain: () => undefined
  },
  isni: {
    title: 'ISNI',
    kept: /^[0-9]{15}[0-9X]$/,
    address: new RegExp(`${SITE}(?:isni\\.org|isni-url\\.oclc\\.nl)/(?:isni/|page/)?${REST}`, 'i'),
    prefix: /^(?:urn:|\/|\()?isni(?: ?id)?[):/\s=-]*/i,
    tidy: (text) => inCapitals(text.replace(/%20|[\p{Pd}\u2212]/gu, '')),
    explain: explainIsni
  },
  wikidata: {
    title: 'Wikidata identifier',
    kept: /^Q[1-9][0-9]{0,18}$/,
    address: new RegExp(
      `${SITE}(?:wikidata\\.org)?/?(?:wiki|entity)/(?:Special:[a-z]{1,20}/|Item:)?([^/?#>.]{1,60})`,
      'i'
    ),
    prefix: /^(?:urn:|\()?(?:wikidata|wd)(?: ?id)?[):=][\s]*/i,
    tidy: inCapitals,
    explain: (text) => (/^[1-9]\d{0,17}$/.test(text) ? `lacks the Q: Q${text}` : undefined)
  },
  openlibrary: {
    title: 'Open Library identifier of an author',
    kept: /^OL[1-9][0-9]{0,16}A$/,
    address: new RegExp(`${SITE}(?:openlibrary\\.org)?/?authors/([^/?#>.]{1,60})`, 'i'),
    prefix: /^(?:urn:|\()?(?:open ?library|olid|ol)(?: ?id)?[):=][\s]*/i,
    tidy: inCapitals,
    explain: (text) => (/OL\d{1,17}[WM]$/.test(text) ? 'is that of a book; an author’s ends in A' : undefined)
  }
}

/** Whether a format is that of a scheme. */
export function isScheme(format: unknown): format is Scheme {
  return Object.hasOwn(FORMS, String(format))
}

/** The identifier in the form that is kept, undefined when the text is none. */
export function readIdentifier(scheme: Scheme, text: string): string | undefined {
  const { kept } = FORMS[scheme]
  const tidy = kept.test(text) ? text : tidyOf(scheme, text)
  return kept.test(tidy) && (scheme !== 'isni' || tidy.endsWith(checkCharacterOf(tidy))) ? tidy : undefined
}

/** Why a text is no identifier of the scheme, and what to do. */
export function explainIdentifier(scheme: Scheme, text: string): string {
  const tidy = tidyOf(scheme, text)
  if (tidy === '') return 'is empty; leave it out, or send null, where it is unknown'
  const shown = JSON.stringify(text.slice(0, 60).toWellFormed())
  if (isRounded(tidy))
    return `is ${shown}, a number that a spreadsheet has rounded: format its column as text and enter the identifier there again`
  const { title, explain } = FORMS[scheme]
  const reason = explain(tidy)
  return `is ${shown}, which ${reason ?? `is no ${title}`}`
}

function tidyOf(scheme: Scheme, text: string): string {
  const { address, prefix, tidy } = FORMS[scheme]
  const bare = text
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{DI}]/gu, '')
    .trim()
  const [, identifier] = address.exec(bare) ?? []
  return tidy((identifier ?? bare).replace(prefix, '').trim())
}

/** In powers of ten, or as a fraction of more digits than a double has. */
function isRounded(text: string): boolean {
  return /^\d{1,30}(?:[.,]\d{1,30})?E[+-]?\d{1,3}$/i.test(text) || /^\d{16,30}[.,]\d{1,30}$/.test(text)
}

/** More digits than a spreadsheet keeps of a number. */
const LONG_NUMBER = /^[1-9]\d{14}0$/

function explainIsni(text: string): string | undefined {
  if (/^\d{7,14}[\dX]$/.test(text)) {
    const whole = text.padStart(16, '0')
    if (whole.endsWith(checkCharacterOf(whole)))
      return `lacks the zeros at its beginning, which a spreadsheet drops: it is ${whole}`
  }
  if (/^\d{4,40}[\dX]$/.test(text) && text.length !== 16)
    return `has ${text.length} characters; an ISNI has 16`
  if (!FORMS.isni.kept.test(text)) return undefined
  const check = `has the wrong check digit at its end: after ${text.slice(0, -1)} comes ${checkCharacterOf(text)}`
  return LONG_NUMBER.test(text)
    ? `${check}; a spreadsheet may have rounded it: format its column as text`
    : `${check}, unless another digit is wrong`
}

/** ISO 7064 MOD 11-2, as ISNI (ISO 27729) and ORCID use it; of the first 15 characters. */
function checkCharacterOf(isni: string): string {
  const sum = [...isni.slice(0, 15)].reduce((total, digit) => (total + Number(digit)) * 2, 0)
  const check = (12 - (sum % 11)) % 11
  return check === 10 ? 'X' : String(check)
}
