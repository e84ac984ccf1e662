/** Makes what cannot be the same twice the same: what is random gets its number in the order of first sight, a time that of its step. */

/** When a step was, in ms since 1970. */
export interface Span {
  step: number
  from: number
  to: number
}

const TTLS = { 'idle end of a session': 604_800, 'end of a session': 2_592_000 }
const HOUR_MS = 3_600_000

const JWT = /\beyJ([\w-]+)\.([\w-]+)\.[\w-]+/g
/** A token that was broken on purpose. */
const NEARLY_JWT = /\beyJ[\w-]+(?:\.[\w-]*)+/g
const REFRESH_TOKEN = /\blrt_([0-9a-f-]{36})\.([\w-]{22})\.([\w-]{43})/g
const API_KEY = /\blibrary_[0-9A-Za-z]{36}\b/g
const RESET_CODE = /\b[2-9a-z]{4}(?:-[2-9a-z]{4}){6}\b/gi
const CURSOR = /\bcursor=([\w%-]+)/g
const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi
/** As in an ETag: the last part of an id, and a version. */
const ID_HALF = /(?<![\w-])([0-9a-f]{12})(?=\.\d)/g
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g
const KEY_MATERIAL = /"(kid|x)":"[\w-]{43}"/g
const HTTP_DATE = /\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g
const HOST = /\b127\.0\.0\.1:\d+/g
/** Of a limit, where a second may have gone by. */
const SECONDS_LEFT = /(;t=|in )\d+(?=$| seconds)/gm

/** How often it is told depends on the clock. */
const PROGRESS =
  /(?:event: progress\ndata: {"(bytes|rows)":\d+}\n\n)(?:event: progress\ndata: {"\1":\d+}\n\n)*/g

export class Normaliser {
  readonly #numbers = new Map<string, Map<string, number>>()
  /** The last parts of ids, as they stand in ETags. */
  readonly #halves = new Map<string, string>()
  readonly #spans: Span[] = []

  /** Times of a step are told by its number; steps come one after another. */
  learn(span: Span): void {
    this.#spans.push(span)
  }

  /** The same of what is about a request: of a token, only whose it is. */
  normaliseTitle(text: string): string {
    const brief = text.replace(
      JWT,
      (_all, _head, claims) => `a token of ${this.#id(String(readJson(claims).sub))}`
    )
    return this.normalise(brief)
  }

  normalise(text: string, requestId = ''): string {
    const known = requestId === '' ? text : text.replaceAll(requestId, '<this request>')
    return known
      .replace(JWT, (_all, head, claims) => this.#token(head, claims))
      .replace(NEARLY_JWT, '<broken token>')
      .replace(REFRESH_TOKEN, (_all, session, family, secret) => this.#refreshToken(session, family, secret))
      .replace(API_KEY, (key) => this.#number('key', key))
      .replace(RESET_CODE, (code) => this.#number('code', code))
      .replace(CURSOR, (_all, cursor) => `cursor=${this.#number('cursor', cursor)}`)
      .replace(UUID, (id) => this.#id(id))
      .replace(ID_HALF, (half) => this.#half(half))
      .replace(TIME, (time) => this.#time(time))
      .replace(KEY_MATERIAL, (_all, name) => `"${name}":"<${name}>"`)
      .replace(HTTP_DATE, '<date>')
      .replace(HOST, '<host>')
      .replace(SECONDS_LEFT, '$1<seconds>')
      .replace(PROGRESS, 'event: progress\ndata: {"$1":<any>}\n\n')
  }

  #number(kind: string, value: string): string {
    const numbers = this.#numbers.get(kind) ?? new Map<string, number>()
    this.#numbers.set(kind, numbers)
    const number = numbers.get(value) ?? numbers.size + 1
    numbers.set(value, number)
    return `<${kind} ${number}>`
  }

  #id(id: string): string {
    if (id !== id.toLowerCase()) return `${this.#id(id.toLowerCase())} in capitals`
    const name = this.#number('id', id)
    this.#halves.set(id.slice(-12), name)
    return name
  }

  #half(half: string): string {
    return this.#halves.get(half) ?? this.#number('half of an id', half)
  }

  #refreshToken(session: string, family: string, secret: string): string {
    return `lrt_${this.#id(session)}.${this.#number('family', family)}.${this.#number('secret', secret)}`
  }

  /** What a token says stays to be seen. */
  #token(head: string, claims: string): string {
    const { kid: _, ...header } = readJson(`eyJ${head}`)
    const { iat, exp, jti, ...others } = readJson(claims)
    const life = Number(exp) - Number(iat)
    const body = { ...others, jti: this.#number('jti', String(jti)), life }
    return `<token ${JSON.stringify(header)} ${JSON.stringify(body)}>`
  }

  #time(time: string): string {
    const at = Date.parse(time)
    const step = this.#stepAt(at)
    if (step !== undefined) return `<time of step ${step}>`
    for (const [name, seconds] of Object.entries(TTLS)) {
      const begin = this.#stepAt(at - seconds * 1000)
      if (begin !== undefined) return `<${name} of step ${begin}>`
    }
    const isThisHour = this.#spans.some(({ to }) => Math.floor(to / HOUR_MS) * HOUR_MS === at)
    return isThisHour ? '<this hour>' : time
  }

  /** The step during which this was, if there was one. */
  #stepAt(at: number): number | undefined {
    let [low, high] = [0, this.#spans.length]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if ((this.#spans[middle] as Span).to < at) low = middle + 1
      else high = middle
    }
    const span = this.#spans[low]
    return span !== undefined && span.from <= at ? span.step : undefined
  }
}

function readJson(base64url: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(base64url, 'base64url').toString())
}
