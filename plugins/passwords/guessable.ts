import { fold } from './common-passwords.ts'

/** What anybody would try first at this service. */
const SERVICE_WORDS = ['library', 'api', 'author', 'authors', 'password', 'passphrase']

/** Along these, forwards, backwards and round the end, goes who only moves a finger. */
const TRACKS = [
  '0123456789',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p'
]
const LONGEST_UNIT = 4
/** Of shorter parts of a username, such as initials, a random password may well be made. */
const SHORTEST_WORD = 3
const MOST_BREAKS = 2

/** Why nobody should take this password for this username, as the end of "This password ..."; undefined when nothing is wrong. */
export function whyGuessable(
  password: string,
  username: string,
  common: ReadonlySet<string>
): string | undefined {
  const folded = fold(password)
  const name = fold(username)
  if (common.has(folded)) return 'is one of the most common ones'
  if (folded === name) return 'is the username'
  if (isOnlyWords(folded, name)) {
    return `is nothing but the username or words of this service (${SERVICE_WORDS.join(', ')}), however they are joined; digits and punctuation do not count`
  }
  if (isRepeated([...folded])) return `repeats up to ${LONGEST_UNIT} characters again and again`
  if (isRun(folded)) return 'is nothing but runs along the alphabet, the digits or the keyboard'
  return undefined
}

function isOnlyWords(folded: string, name: string): boolean {
  const parts = name.split(/[^\p{L}\p{M}]+/u).filter((part) => part.length >= SHORTEST_WORD)
  const words = [...SERVICE_WORDS, name, lettersOf(name), ...parts]
  const letters = lettersOf(folded)
  return leavesNothing(folded, words) || (letters !== '' && leavesNothing(letters, words))
}

function lettersOf(text: string): string {
  return text.replace(/[^\p{L}\p{M}]/gu, '')
}

/** The longest first, that "authors" does not leave an s. */
function leavesNothing(text: string, words: string[]): boolean {
  const longestFirst = words.filter(Boolean).sort((a, b) => b.length - a.length)
  return longestFirst.reduce((rest, word) => rest.replaceAll(word, ''), text) === ''
}

function isRepeated(characters: string[]): boolean {
  const repeats = (unit: number) => characters.every((character, i) => character === characters[i % unit])
  return Array.from({ length: LONGEST_UNIT }, (_, i) => i + 1).some(repeats)
}

/** At most three runs: no phrase of words has so few breaks, for words do not follow the keyboard. */
function isRun(folded: string): boolean {
  const characters = [...folded.replace(/[\s._-]/g, '')]
  const breaks = characters.slice(1).filter((character, i) => !isStep(characters[i] as string, character))
  return breaks.length <= MOST_BREAKS
}

function isStep(from: string, to: string): boolean {
  return from === to || TRACKS.some((track) => areNeighbours(track, track.indexOf(from), track.indexOf(to)))
}

function areNeighbours({ length }: string, a: number, b: number): boolean {
  return a >= 0 && b >= 0 && [1, length - 1].includes(Math.abs(a - b))
}
