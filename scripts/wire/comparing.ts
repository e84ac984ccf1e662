/** Where two recordings differ. */

const MOST_SHOWN = 10
const MOST_LINES = 3
const CONTEXT = 120

/** A step of a recording: its request, and the lines of its answer. */
interface Step {
  title: string
  lines: string[]
}

/** The first differences, for a person to read; none when the recordings are equal. */
export function differencesOf(before: string, after: string): string[] {
  if (before === after) return []
  const [left, right] = [stepsOf(before), stepsOf(after)]
  const differences: string[] = []
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = compareSteps(left[index], right[index])
    if (difference !== undefined) differences.push(difference)
  }
  const shown = differences.slice(0, MOST_SHOWN)
  const rest = differences.length - shown.length
  return rest > 0 ? [...shown, `and ${rest} more steps`] : shown
}

function stepsOf(recording: string): Step[] {
  return recording.split(/\n(?==== \d+ )/).map((text) => {
    const [title = '', ...lines] = text.split('\n')
    return { title, lines }
  })
}

function compareSteps(before: Step | undefined, after: Step | undefined): string | undefined {
  if (before === undefined || after === undefined) return `only one has ${(before ?? after)?.title}`
  if (before.title !== after.title) return `- ${around(before.title, 0)}\n+ ${around(after.title, 0)}`
  const differing = Array.from(
    { length: Math.max(before.lines.length, after.lines.length) },
    (_, index) => index
  )
    .map((index) => [before.lines[index], after.lines[index]] as const)
    .filter(([left, right]) => left !== right)
  if (differing.length === 0) return undefined
  const told = differing.slice(0, MOST_LINES).map(([left, right]) => {
    const at = firstDifference(left ?? '', right ?? '')
    return `- ${around(left, at)}\n+ ${around(right, at)}`
  })
  return [around(before.title, 0), ...told].join('\n')
}

function firstDifference(left: string, right: string): number {
  let at = 0
  while (at < left.length && left[at] === right[at]) at += 1
  return at
}

/** The part of a line that lies around a place in it. */
function around(line: string | undefined, at: number): string {
  if (line === undefined) return '(no line)'
  const [from, to] = [Math.max(0, at - CONTEXT), at + CONTEXT]
  return `${from > 0 ? '…' : ''}${line.slice(from, to)}${to < line.length ? '…' : ''}`
}
