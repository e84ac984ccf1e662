/** What was measured beside the raw server, as a picture. */
import type { Outcome } from './comparing.ts'
import { type Ratio, ratioOf } from './measuring.ts'

const WIDTH = 720
const LEFT = 190
const RIGHT = 130
const TOP = 64
const ROW = 34
const BAR = 18
const BOTTOM = 44
const COLOURS = { text: '#1f2328', faint: '#d0d7de', bar: '#2f81c4', spread: '#0b3a63', target: '#c2410c' }
const TICKS = [0, 0.25, 0.5, 0.75, 1]

interface Bar {
  title: string
  ratio: Ratio
  target: number | undefined
}

/** A bar for each scenario that the raw server was asked too, with its spread and its target. */
export function toSvg(outcomes: Outcome[]): string {
  const bars = outcomes.flatMap(({ scenario, service, rivals: { raw } }): Bar[] =>
    raw === undefined
      ? []
      : [{ title: scenario.title, ratio: ratioOf(service, raw), target: scenario.targets.raw }]
  )
  const bottom = TOP + bars.length * ROW
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + BOTTOM}" width="${WIDTH}" height="${bottom + BOTTOM}"
  role="img" font-family="system-ui, sans-serif" font-size="13" fill="${COLOURS.text}">
<title>Requests per second of the service, as a share of those of a raw node:http server that sends the same bytes</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="26" font-size="15" font-weight="600">Requests per second, as a share of a raw node:http server’s</text>
${legend()}
${TICKS.map((tick) => tickLine(tick, bottom)).join('\n')}
${bars.map(barOf).join('\n')}
</svg>
`
}

function legend(): string {
  return `<line x1="17" y1="37" x2="17" y2="53" stroke="${COLOURS.target}" stroke-width="3"/>
<text x="26" y="50" font-size="12">target</text>
<path d="M84 45h26M84 41v8M110 41v8" fill="none" stroke="${COLOURS.spread}" stroke-width="1.5"/>
<text x="118" y="50" font-size="12">lowest and highest of the rounds</text>`
}

function place(ratio: number): number {
  return Math.round(LEFT + Math.min(ratio, 1) * (WIDTH - LEFT - RIGHT))
}

function tickLine(ratio: number, bottom: number): string {
  const x = place(ratio)
  return `<line x1="${x}" y1="${TOP}" x2="${x}" y2="${bottom}" stroke="${COLOURS.faint}"/>
<text x="${x}" y="${bottom + 20}" text-anchor="middle" font-size="12">${ratio}</text>`
}

function barOf({ title, ratio, target }: Bar, index: number): string {
  const y = TOP + index * ROW + (ROW - BAR) / 2
  const middle = y + BAR / 2
  const [low, high] = [place(ratio.low), place(ratio.high)]
  return `<text x="${LEFT - 12}" y="${middle + 5}" text-anchor="end">${title}</text>
<rect x="${LEFT}" y="${y}" width="${place(ratio.median) - LEFT}" height="${BAR}" rx="2" fill="${COLOURS.bar}"/>
<path d="M${low} ${middle}H${high}M${low} ${middle - 4}v8M${high} ${middle - 4}v8" fill="none" stroke="${COLOURS.spread}" stroke-width="1.5"/>
${target === undefined ? '' : targetMark(place(target), y)}
<text x="${WIDTH - RIGHT + 14}" y="${middle + 5}"><tspan font-weight="600">${ratio.median.toFixed(2)}</tspan>${
    target === undefined ? '' : `<tspan fill="${COLOURS.target}"> / ${target.toFixed(2)}</tspan>`
  }</text>`
}

function targetMark(x: number, y: number): string {
  return `<line x1="${x}" y1="${y - 5}" x2="${x}" y2="${y + BAR + 5}" stroke="${COLOURS.target}" stroke-width="3"/>`
}
