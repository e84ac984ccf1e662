import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Load } from './load.ts'

/**
 * Requests of one connection that are worked on while the answers ahead of theirs are not sent. A connection begins with one, and has
 * twice as many after each answer, but none after one that is huge: the others may be as much work.
 */
const MOST_AHEAD = 16
const HUGE_ANSWER = 256 * 1024
/** No request is begun ahead of its turn while the client has so many bytes of other answers to read. */
const MOST_UNSENT = 64 * 1024

interface Turn {
  request: IncomingMessage
  response: ServerResponse
}

/**
 * A connection whose client asks faster than it is answered (pipelining, RFC 9112 section 9.3.2), or reads more slowly:
 * its requests wait for their turn, and while one waits no more are read from the socket.
 */
export class Connection {
  /** Bytes of answers in memory that are made and not sent, without those that are shared with others. */
  unread = 0
  /** Since when its client has read none of them, on the clock of `performance.now()`. */
  unreadSince = 0
  readonly #socket: Socket
  readonly #load: Load
  readonly #begin: (request: IncomingMessage, response: ServerResponse) => void
  readonly #waiting: Turn[] = []
  #ahead = 0
  #mostAhead = 1
  /** Bytes of all answers that are made and not sent. */
  #unsent = 0
  #isPaused = false
  #isClosed = false

  constructor(
    socket: Socket,
    load: Load,
    begin: (request: IncomingMessage, response: ServerResponse) => void
  ) {
    this.#socket = socket
    this.#load = load
    this.#begin = begin
    socket.once('close', () => this.#close())
    // Node resumes the socket of each request whose body is read to its end.
    socket.on('resume', () => this.#pauseIfNeeded())
  }

  /** Begins a request when it is its turn; the answers to others are ahead of its own. */
  queue(request: IncomingMessage, response: ServerResponse): void {
    if (this.#isClosed) return
    // Node gives a response its socket when all those ahead of it are sent.
    response.on('socket', this.#reachNext)
    if (this.#waiting.length === 0 && this.#takeAhead()) this.#begin(request, response)
    else this.#wait({ request, response })
  }

  /** Counts an answer of so many bytes, of which so many take memory of its own, until it is sent. */
  noteAnswer(response: ServerResponse, bytes: number, ownBytes: number): void {
    if (this.#isClosed) return
    if (bytes > HUGE_ANSWER) this.#mostAhead = 0
    if (this.unread === 0) this.unreadSince = performance.now()
    this.#unsent += bytes
    this.#addUnread(ownBytes)
    response.once('finish', () => {
      if (this.#isClosed) return
      this.#unsent -= bytes
      this.unreadSince = performance.now()
      this.#addUnread(-ownBytes)
      this.#beginAhead()
    })
  }

  /** Ends the connection, with all that waits for it. */
  cutOff(): void {
    this.#socket.destroy()
    this.#close()
  }

  /** The next request has come to its turn: one that was begun ahead of it, for these are the first, or the first that waits. */
  readonly #reachNext = (): void => {
    if (this.#isClosed) return
    if (this.#unsent === 0) this.#mostAhead = Math.min(Math.max(1, 2 * this.#mostAhead), MOST_AHEAD)
    if (this.#ahead > 0) this.#releaseAhead(1)
    else this.#beginFirst()
    this.#beginAhead()
  }

  #wait(turn: Turn): void {
    if (this.#load.takeWaiting()) this.#waiting.push(turn)
    else this.cutOff()
    this.#pauseIfNeeded()
  }

  #beginAhead(): void {
    while (this.#waiting.length > 0 && this.#takeAhead()) this.#beginFirst()
  }

  /** Whether another request may be begun ahead of its turn; then it counts as that. */
  #takeAhead(): boolean {
    const isTaken = this.#ahead < this.#mostAhead && this.#unsent < MOST_UNSENT && this.#load.takeAhead()
    if (isTaken) this.#ahead += 1
    return isTaken
  }

  #beginFirst(): void {
    const { request, response } = this.#waiting.shift() as Turn
    this.#load.releaseWaiting(1)
    if (this.#isPaused && this.#waiting.length === 0) this.#resume()
    this.#begin(request, response)
  }

  #pauseIfNeeded(): void {
    if (this.#waiting.length === 0) return
    this.#isPaused = true
    this.#socket.pause()
  }

  #resume(): void {
    this.#isPaused = false
    this.#socket.resume()
  }

  #addUnread(bytes: number): void {
    this.unread += bytes
    this.#load.noteUnread(this, bytes)
  }

  #releaseAhead(count: number): void {
    this.#ahead -= count
    this.#load.releaseAhead(count)
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#addUnread(-this.unread)
    this.#releaseAhead(this.#ahead)
    this.#load.releaseWaiting(this.#waiting.length)
    this.#waiting.length = 0
  }
}
