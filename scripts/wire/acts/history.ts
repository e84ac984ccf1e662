/** What was: versions, histories and the log of changes. */
import { type Act, cursorOf, followAll, logIn, NOBODY, patch, type Stage } from '../stage.ts'

const MOST_STREAMS = 10

export async function history(stage: Stage): Promise<void> {
  for (const act of [versions, changes, streams]) await act(stage)
}

const versions: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  const { json: author } = await wire.send('POST /authors', {
    as,
    json: { name: 'Often Changed', book: '1', country: 'A' }
  })
  for (let version = 2; version <= 30; version++) {
    const content = {
      book: String(version),
      note: version % 3 === 0 ? null : `version ${version}`,
      birth_year: 1900 + version
    }
    await wire.send(`PATCH /authors/${author.id}`, {
      as,
      ...patch(content),
      headers: { prefer: 'return=minimal' }
    })
  }
  const past = async (name: string) => {
    for (const version of [1, 2, 15, 29, 30, 31, 32, 33, 34])
      await wire.send(`GET /authors/${name}?version=${version}`, { as })
    for (const limit of [1, 7, 30, 100])
      await followAll(wire, `GET /authors/${name}/history?limit=${limit}`, { as })
  }
  await past('often-changed')
  await wire.send('DELETE /authors/often-changed', { as })
  await past(author.id)
  await wire.send('POST /authors/often-changed/restore', { as, headers: { prefer: 'return=minimal' } })
  await wire.send('DELETE /authors/often-changed', { as })
  await wire.send('POST /authors/often-changed/restore', { as })
  await past('often-changed')
  await wire.send('HEAD /authors/often-changed/history?limit=2', { as })
  const cursor = cursorOf(await wire.send('GET /authors/often-changed/history?limit=2', { as }))
  for (const name of ['salman-rushdie', author.id, 'nobody', NOBODY])
    await wire.send(`GET /authors/${name}/history?cursor=${cursor}`, { as })
  for (const query of ['limit=0', 'limit=101', 'cursor=x', 'sort=name', 'version=1'])
    await wire.send(`GET /authors/often-changed/history?${query}`, { as })
}

/** The sequence number of the last change. */
async function lastSequence({ wire, cast }: Stage): Promise<number> {
  const last = await followAll(wire, 'GET /changes?limit=100', { as: cast.chen.token })
  return last.json.data.at(-1).sequence
}

const changes: Act = async (stage) => {
  const { wire, cast } = stage
  const as = cast.chen.token
  const last = await lastSequence(stage)
  for (const query of [
    '',
    '?limit=1',
    '?since=10&limit=3',
    `?since=${last - 1}`,
    `?since=${last}`,
    '?since=9007199254740991'
  ])
    await wire.send(`GET /changes${query}`, { as })
  for (const query of [
    '?since=-1',
    '?since=x',
    '?since=',
    '?since=9007199254740992',
    '?limit=0',
    '?cursor=x',
    '?since=1&since=2'
  ])
    await wire.send(`GET /changes${query}`, { as })
  for (const method of ['HEAD', 'OPTIONS', 'DELETE']) await wire.send(`${method} /changes`, { as })
}

const streams: Act = async (stage) => {
  const { wire, cast } = stage
  const as = cast.boris.token
  const last = await lastSequence(stage)
  const beginnings: [line: string, headers: Record<string, string>][] = [
    ['GET /changes/stream?since=0', {}],
    [`GET /changes/stream?since=${last - 3}`, {}],
    ['GET /changes/stream?since=0', { 'last-event-id': String(last - 1) }],
    ['GET /changes/stream', { 'last-event-id': String(last - 2) }]
  ]
  for (const [line, headers] of beginnings) {
    const stream = await wire.openStream(line, { as, headers })
    await wire.noteStream(`${line} ${JSON.stringify(headers)}`, stream, `id: ${last}\n`)
    stream.close()
  }
  const live = await wire.openStream('GET /changes/stream', { as })
  await wire.noteStream('GET /changes/stream', live, ': changes\n')
  await wire.send('PATCH /authors/often-changed', { as, ...patch({ note: 'live' }) })
  await wire.send('DELETE /authors/often-changed', { as })
  await wire.send('POST /authors/often-changed/restore', { as })
  await wire.noteStream('GET /changes/stream', live, `id: ${last + 3}\n`)
  live.close()
  for (const query of ['?since=-1', '?since=x', '?limit=1'])
    await wire.send(`GET /changes/stream${query}`, { as })
  for (const id of ['x', '-1', '1234567890123456', ''])
    await wire.send('HEAD /changes/stream', { as, headers: { 'last-event-id': id } })
  await tooMany(stage)
}

async function tooMany({ wire, cast }: Stage): Promise<void> {
  const as = await logIn(wire, cast.dora.username)
  const open = []
  for (let count = 0; count < MOST_STREAMS; count++) {
    const stream = await wire.openStream('GET /changes/stream', { as })
    await stream.until(': changes\n')
    open.push(stream)
  }
  await wire.send('GET /changes/stream', { as })
  await wire.send('POST /logout', { as })
  for (const stream of open) stream.close()
}
