/** What hostile clients do, each bounded by what it is told, until the process ends. */
import { connect, type Socket } from 'node:net'

export interface Target {
  url: string
  /** Of signed-in users. */
  tokens: string[]
  /** Shares of the full load, 1 for all of it. */
  scale: number
}

/** What has become of the attackers' connections, to show that they did what they were to do. */
export const seen = { opened: 0, closed: 0, received: 0 }

type Attack = (target: Target) => void

const SECOND = 1000
const MOST_PAUSE_SECONDS = 30

function requestOf(line: string, fields: Record<string, string> = {}, body = ''): string {
  const all = { host: 'library.example', ...fields }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${line} HTTP/1.1\r\n${head.join('')}\r\n${body}`
}

function json(text: string, more: Record<string, string> = {}) {
  return { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), ...more }
}

function bearer({ tokens }: Target): Record<string, string> {
  return { authorization: `Bearer ${tokens[Math.floor(Math.random() * tokens.length)]}` }
}

/** So many connections, each of which lasts for so many seconds and is opened again a while after it has ended. */
function keepOpen(
  { url, scale }: Target,
  { count, seconds }: { count: number; seconds: number },
  use: (socket: Socket) => void
): void {
  const { port, hostname } = new URL(url)

  function open(): void {
    const socket = connect(Number(port), hostname)
    let timer: NodeJS.Timeout | undefined
    socket.once('connect', () => {
      seen.opened += 1
      timer = setTimeout(() => socket.destroy(), seconds * SECOND)
      use(socket)
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      seen.closed += 1
      clearTimeout(timer)
      setTimeout(open, SECOND + Math.random() * MOST_PAUSE_SECONDS * SECOND)
    })
  }

  // Not all in the same moment.
  const all = Math.ceil(count * scale)
  for (let n = 0; n < all; n++) setTimeout(open, (n / all) * Math.min(seconds, MOST_PAUSE_SECONDS) * SECOND)
}

function reading(socket: Socket): Socket {
  return socket.on('data', (chunk) => {
    seen.received += chunk.length
  })
}

/** Does something so many times a second. */
function repeatedly(perSecond: number, { scale }: Target, act: () => void): void {
  setInterval(act, SECOND / (perSecond * scale))
}

/** Does something for a connection again and again while it lasts. */
function meanwhile(socket: Socket, seconds: number, act: () => void): void {
  const timer = setInterval(act, seconds * SECOND)
  socket.once('close', () => clearInterval(timer))
}

/** One request on a connection of its own. */
function once(target: Target, bytes: string): void {
  const { port, hostname } = new URL(target.url)
  const socket = reading(connect(Number(port), hostname))
  socket.on('error', () => {})
  socket.once('connect', () => socket.write(bytes))
  socket.setTimeout(10 * SECOND, () => socket.destroy())
}

export const ATTACKS: Record<string, Attack> = {
  /** Hundreds of requests in one go, of which the answers are not read. */
  unreadPipelines(target) {
    const paths = ['/openapi.json', '/problems', '/docs/json', '/docs/static/swagger-ui.css', '/nowhere']
    keepOpen(target, { count: 20, seconds: 20 }, (socket) => {
      const path = paths[Math.floor(Math.random() * paths.length)]
      socket.pause().write(requestOf(`GET ${path}`).repeat(1600))
    })
  },

  /** The same, read as fast as it comes. */
  readPipelines(target) {
    keepOpen(target, { count: 2, seconds: 10 }, (socket) =>
      reading(socket).write(requestOf('GET /problems').repeat(400))
    )
  },

  /** Long answers of a signed-in user that are not read. */
  unreadPages(target) {
    keepOpen(target, { count: 40, seconds: 30 }, (socket) =>
      socket.pause().write(requestOf('GET /changes?limit=100', bearer(target)).repeat(20))
    )
  },

  /** Exports and pages that are read a little at a time. */
  slowReaders(target) {
    keepOpen(target, { count: 60, seconds: 60 }, (socket) => {
      const path = Math.random() < 0.5 ? '/authors/export' : '/changes?limit=100'
      socket.pause().write(requestOf(`GET ${path}`, bearer(target)).repeat(3))
      meanwhile(socket, 2, () => {
        seen.received += socket.read(1000)?.length ?? 0
      })
    })
  },

  /** A header that comes in single characters. */
  slowHeaders(target) {
    keepOpen(target, { count: 400, seconds: 60 }, (socket) => {
      reading(socket).write('GET / HTTP/1.1\r\nhost: a\r\nlong: ')
      meanwhile(socket, 5, () => socket.write('x'))
    })
  },

  /** Large bodies that never end. */
  slowBodies(target) {
    keepOpen(target, { count: 200, seconds: 60 }, (socket) => {
      reading(socket).write(
        requestOf('POST /register', { 'content-type': 'application/json', 'content-length': '1000000' })
      )
      meanwhile(socket, 5, () => socket.write(' '.repeat(20_000)))
    })
  },

  /** Texts that regular expressions are slow at. */
  patterns(target) {
    const texts = ['a', ' ', '\u0301', '-', '\u3164', '0'].map((unit) => `${unit.repeat(300_000)}\u0000`)
    repeatedly(3, target, () => {
      const name = texts[Math.floor(Math.random() * texts.length)] as string
      const body = JSON.stringify({ name, scope: 'read', book: name, country: 'x' })
      const path = Math.random() < 0.5 ? '/authors' : '/me/keys'
      once(target, requestOf(`POST ${path}`, json(body, { ...bearer(target), connection: 'close' }), body))
    })
  },

  /** Logins with wrong passwords, from all over the world. */
  logins(target) {
    repeatedly(50, target, () => {
      const credentials = `user${Math.floor(Math.random() * 1e6)}:not the right password`
      const address = Array.from({ length: 4 }, () => 1 + Math.floor(Math.random() * 222)).join('.')
      const fields = {
        authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
        'x-forwarded-for': address,
        connection: 'close'
      }
      once(target, requestOf('POST /login', fields))
    })
  },

  /** Connections that ask now and then. */
  crowd(target) {
    keepOpen(target, { count: 2000, seconds: 300 }, (socket) => {
      const ask = () => socket.write(requestOf('GET /authors?limit=1', bearer(target)))
      reading(socket)
      ask()
      meanwhile(socket, 20, ask)
    })
  },

  /** Bytes that are no HTTP, and tunnels. */
  rubbish(target) {
    const texts = [
      '\u0000'.repeat(1000),
      'GET * HTTP/9.9\r\n\r\n',
      'CONNECT a:1 HTTP/1.1\r\n\r\n',
      'A'.repeat(70_000)
    ]
    repeatedly(10, target, () => once(target, texts[Math.floor(Math.random() * texts.length)] as string))
  }
}
