import type { Connection } from './connection.ts'

const MIB = 1024 * 1024
/** Bytes of answers that wait for their clients. Beyond the first bound the clients that take longer to read are cut off. */
const MANY_UNREAD = 64 * MIB
const MOST_UNREAD = 128 * MIB
const PATIENCE_MS = 1000
/** Requests that have arrived and wait for their turn, at some 4 kB each. */
const MOST_WAITING = 30_000
/** Requests that are worked on while answers of the same connection are ahead of theirs. */
const MOST_AHEAD = 2000
/** Bytes of bodies that arrive at the same time; small ones do not count. */
const MOST_ARRIVING = 64 * MIB
const SMALL_BODY = 16 * 1024
/** What a body may have, and one of unknown length may come to. Files are spooled to the disk, and take no more memory than that. */
const LARGEST_BODY = MIB

/** What all connections of a process together keep in memory. */
export class Load {
  #unread = 0
  #waiting = 0
  #ahead = 0
  #arriving = 0
  /** The connections with unread answers, the one whose client has read nothing for longest first. */
  readonly #behind = new Set<Connection>()

  /** Whether another answer may be made; to make room, clients that are slow to read are cut off. */
  hasRoom(): boolean {
    if (this.#unread > MANY_UNREAD) this.#cutOffLate()
    return this.#unread <= MOST_UNREAD
  }

  #cutOffLate(): void {
    const lateSince = performance.now() - PATIENCE_MS
    for (const connection of this.#behind) {
      if (this.#unread <= MANY_UNREAD || connection.unreadSince > lateSince) return
      connection.cutOff()
    }
  }

  /** Notes that the client of this connection has so many bytes more to read, or with a negative number fewer. */
  noteUnread(connection: Connection, bytes: number): void {
    this.#unread += bytes
    if (bytes < 0) this.#behind.delete(connection)
    if (connection.unread > 0) this.#behind.add(connection)
  }

  /** Takes room for a body of this length until `releaseBody`; gives how many bytes were taken, or undefined where there is no room. */
  takeBody(length: number | undefined): number | undefined {
    const bytes = Math.min(length ?? LARGEST_BODY, LARGEST_BODY)
    if (bytes <= SMALL_BODY) return 0
    if (this.#arriving + bytes > MOST_ARRIVING) return undefined
    this.#arriving += bytes
    return bytes
  }

  releaseBody(bytes: number): void {
    this.#arriving -= bytes
  }

  /** Whether one more request may wait, until `releaseWaiting`. */
  takeWaiting(): boolean {
    if (this.#waiting >= MOST_WAITING) return false
    this.#waiting += 1
    return true
  }

  releaseWaiting(count: number): void {
    this.#waiting -= count
  }

  /** Whether one more request may be worked on ahead of its turn, until `releaseAhead`. */
  takeAhead(): boolean {
    if (this.#ahead >= MOST_AHEAD) return false
    this.#ahead += 1
    return true
  }

  releaseAhead(count: number): void {
    this.#ahead -= count
  }
}
