import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { OpenSockets } from './open-sockets.ts'

/** What Node counts of a socket as the system does: the bytes that it was given, and those of them that it has not taken. */
type CountedSocket = Socket & { _handle: { bytesWritten: number; writeQueueSize: number } | null }

/**
 * Cuts off the connections whose clients have read nothing for so many milliseconds, though there was something to read. It looks
 * at all of them now and then: a timer for each, as `server.setTimeout` has it, took a hundredth of the time of a read.
 */
export function cutOffStalled(server: Server, sockets: OpenSockets, milliseconds: number): void {
  const taken = new WeakMap<Socket, number>()

  function look(socket: CountedSocket): void {
    const { writableLength, _handle: handle } = socket
    if (writableLength === 0 || handle === null) taken.delete(socket)
    else {
      const bytes = handle.bytesWritten - handle.writeQueueSize
      if (taken.get(socket) === bytes) socket.destroy()
      else taken.set(socket, bytes)
    }
  }

  const timer = setInterval(() => {
    for (const socket of sockets) look(socket as CountedSocket)
  }, milliseconds).unref()
  server.once('close', () => clearInterval(timer))
}
