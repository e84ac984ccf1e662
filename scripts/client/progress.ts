/** How far something has come. */
export interface Step {
  /** What is done; another one begins at zero. */
  label: string
  unit: 'bytes' | 'rows' | 'pages'
  done: number
  /** Undefined when nobody knows. */
  total: number | undefined
}

const REDRAW_MS = 100
const USUAL_WIDTH = 80
const [NARROWEST_BAR, WIDEST_BAR] = [8, 30]
const MEGABYTE = 1_000_000

/** One line of a terminal that is drawn again and again in place; where nobody watches it stays silent. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream
  #first: Step = { label: '', unit: 'rows', done: 0, total: undefined }
  #began = 0
  #drawn = Number.NEGATIVE_INFINITY
  #isDrawn = false

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  get isVisible(): boolean {
    return this.#stream.isTTY === true
  }

  show(step: Step): void {
    const now = performance.now()
    if (step.label !== this.#first.label) {
      this.#first = step
      this.#began = now
    }
    if (!this.isVisible || now - this.#drawn < REDRAW_MS) return
    this.#drawn = now
    const rate = (step.done - this.#first.done) / ((now - this.#began) / 1000)
    this.#write(drawStep(step, rate, this.#width))
  }

  /** Says in place of the bar what is waited for. */
  say(text: string): void {
    if (this.isVisible) this.#write(text.slice(0, this.#width))
  }

  clear(): void {
    if (this.#isDrawn) this.#stream.write('\r\x1b[K')
    this.#isDrawn = false
  }

  /** Without the last column, after which some terminals go on in the next line. */
  get #width(): number {
    return (this.#stream.columns || USUAL_WIDTH) - 1
  }

  #write(line: string): void {
    this.#stream.write(`\r${line}\x1b[K`)
    this.#isDrawn = true
  }
}

/** The line for a step at so many units a second, no longer than `width`: what finds no room is left out, the last first. */
export function drawStep({ label, unit, done, total }: Step, rate: number, width: number): string {
  const share = total ? Math.min(done / total, 1) : undefined
  const texts = [label]
  const add = (text: string) => {
    if (texts.join('  ').length + 2 + text.length <= width) texts.push(text)
  }
  if (share !== undefined) add(`${String(Math.floor(share * 100)).padStart(3)}%`)
  add(amount(done, total, unit))
  if (rate > 0 && Number.isFinite(rate)) {
    add(`${quantity(rate, unit)}/s`)
    if (total !== undefined) add(`${duration((total - Math.min(done, total)) / rate)} left`)
  }
  const room = Math.min(width - texts.join('  ').length - 4, WIDEST_BAR)
  if (share !== undefined && room >= NARROWEST_BAR) texts.splice(1, 0, bar(share, room))
  return texts.join('  ').slice(0, width)
}

function bar(share: number, width: number): string {
  return `[${'#'.repeat(Math.floor(share * width)).padEnd(width, '.')}]`
}

function amount(done: number, total: number | undefined, unit: Step['unit']): string {
  if (total === undefined) return quantity(done, unit)
  const [number = ''] = quantity(done, unit).split(' ')
  return `${number}/${quantity(Math.max(total, done), unit)}`
}

function quantity(value: number, unit: Step['unit']): string {
  if (unit !== 'bytes') return `${Math.round(value).toLocaleString('en')} ${unit}`
  return `${(value / MEGABYTE).toFixed(1)} MB`
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
