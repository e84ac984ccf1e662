/** How far a word may be from another to count as a slip of it: a third of its letters, and no more than that. */
const MOST_SLIPS = 3
/** So much of a word tells it, when the rest is left out. */
const SHORTEST_BEGINNING = 3

/** The word that is nearest to what was written, if one is so near that it may have been meant. */
export function nearestOf(written: string, words: readonly string[]): string | undefined {
  let nearest: { word?: string; slips: number } = { slips: Number.POSITIVE_INFINITY }
  for (const word of words) {
    const slips = slipsBetween(written, word)
    if (slips < nearest.slips) nearest = { word, slips }
  }
  return nearest.word
}

/** How many slips make one of the other, without case; infinitely many where they are different words. */
export function slipsBetween(written: string, word: string): number {
  const [a, b] = [written.toLowerCase(), word.toLowerCase()]
  const longest = Math.max(a.length, b.length)
  const most = Math.min(MOST_SLIPS, Math.max(1, Math.floor(longest / 3)))
  if (a.length >= SHORTEST_BEGINNING && b.startsWith(a)) return Math.min(1, b.length - a.length)
  // Before the work, which grows with the square of their lengths.
  if (longest - Math.min(a.length, b.length) > most) return Number.POSITIVE_INFINITY
  const slips = editDistance(a, b)
  return slips <= most ? slips : Number.POSITIVE_INFINITY
}

/** Levenshtein's distance, by which two letters that are swapped count as one slip (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const next = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      next[column] = Math.min(
        (last[column] as number) + 1,
        (next[column - 1] as number) + 1,
        (last[column - 1] as number) + (isSame ? 0 : 1),
        isSwapped ? (before[column - 2] as number) + 1 : Number.POSITIVE_INFINITY
      )
    }
    before = last
    last = next
  }
  return last[b.length] as number
}
