import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { OpenSockets, openSocketsOf } from '../../plugins/http/open-sockets.ts'
import { listen } from '../helpers.ts'

/** A connection on which one request was answered. */
async function used(t: Test, url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  await ask(socket)
  return socket
}

async function ask(socket: Socket): Promise<string> {
  socket.write('GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n')
  const [answer] = await once(socket, 'data')
  return String(answer)
}

t.test(
  'what comes while the service ends is answered, and a connection that is quiet is closed',
  async (t) => {
    const { server, url } = await listen(t)
    const [asking, quiet] = [await used(t, url), await used(t, url)]
    const sockets = openSocketsOf(server.server)
    sockets.letGo()
    const late = await used(t, url)
    const ended = [quiet, late].map((socket) => once(socket, 'close'))
    const closed = server.close()
    t.match(await ask(asking), /^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n/i)
    await Promise.all(ended)
    await closed
    t.strictSame([...sockets], [])
  }
)

t.test('what does not end in time is cut off', async (t) => {
  const { server, url } = await listen(t)
  const socket = await used(t, url)
  const sockets = openSocketsOf(server.server)
  sockets.keepIdle()
  const closed = server.close()
  sockets.destroyAll()
  await closed
  if (!socket.destroyed) await once(socket, 'close')
  t.strictSame([...sockets], [])
})

t.test('a connection that comes at the last moment is still answered', async (t) => {
  const server = createServer((_request, response) => response.end('here'))
  const sockets = new OpenSockets()
  sockets.add(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  sockets.keepIdle()
  const late = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const closed = once(server, 'close')
  server.close()
  t.match(await ask(late), /^HTTP\/1\.1 200 /)
  late.destroy()
  await closed
})
