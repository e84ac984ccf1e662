/** The same data after a restart, with other settings: everything is read once more. */
import { type Act, basic, CSV, followAll, NDJSON, PASSWORD, type Stage } from '../stage.ts'

export const SETTINGS = {
  REGISTRATION: 'closed',
  RATE_LIMIT: 'off',
  CORS_ORIGINS: 'https://app.example.org',
  DOCS: 'off',
  ACCESS_TOKEN_TTL: '3600',
  IMPORT_LIMIT: '1'
}

export async function secondLife(stage: Stage): Promise<void> {
  for (const act of [settings, everything]) await act(stage)
}

const settings: Act = async ({ wire, cast }) => {
  await wire.send('POST /register', { json: { username: 'late', password: PASSWORD } })
  await wire.send('POST /login', { as: basic('boris', PASSWORD) })
  for (const path of ['/', '/docs', '/openapi.json', '/health/ready']) await wire.send(`GET ${path}`)
  for (const origin of ['https://app.example.org', 'https://evil.example.org']) {
    await wire.send('GET /authors?limit=1', { as: cast.boris.token, headers: { origin } })
    const headers = {
      origin,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'if-match'
    }
    await wire.send('OPTIONS /authors/x', { headers })
  }
  const large = `{"name":"${'x'.repeat(2 ** 20)}"}\n`
  await wire.send('POST /authors/import', { as: cast.boris.token, body: [NDJSON, large] })
}

/** All authors in all their versions, the whole log and all users. */
const everything: Act = async ({ wire, cast }) => {
  const as = cast.boris.token
  for (const path of [
    '/changes?limit=100',
    '/users?limit=100',
    '/me/sessions?limit=100',
    '/me/keys?limit=100'
  ])
    await followAll(wire, `GET ${path}`, { as })
  const ids = new Set<string>()
  const versions = new Map<string, number>()
  for (let next = '/changes?limit=100'; next !== null; ) {
    const { json } = await wire.send(`GET ${next}`, { as })
    for (const { author_id, version } of json.data) {
      ids.add(author_id)
      versions.set(author_id, version)
    }
    next = json.next
  }
  for (const id of ids) {
    const version = versions.get(id) as number
    if (version === 1) continue
    await followAll(wire, `GET /authors/${id}/history?limit=100`, { as })
    for (let past = 1; past <= version; past++) await wire.send(`GET /authors/${id}?version=${past}`, { as })
  }
  for (const accept of [CSV, NDJSON]) await wire.send('GET /authors/export', { as, headers: { accept } })
}
