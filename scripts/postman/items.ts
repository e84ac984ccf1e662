/** What the hand-made and the generated requests of the collection have in common. */

export const NO_AUTH = { type: 'noauth' }
export const BASIC_AUTH = {
  type: 'basic',
  basic: [
    { key: 'username', value: '{{username}}', type: 'string' },
    { key: 'password', value: '{{password}}', type: 'string' }
  ]
}
export const BEARER_AUTH = {
  type: 'bearer',
  bearer: [{ key: 'token', value: '{{access_token}}', type: 'string' }]
}

export const KEEP_TOKEN = [
  "pm.test('answers a bearer token', () => {",
  '  pm.response.to.have.status(200)',
  "  pm.expect(pm.response.json().token_type).to.equal('Bearer')",
  '})',
  "pm.collectionVariables.set('access_token', pm.response.json().access_token)"
]

export function script(listen: 'prerequest' | 'test', exec: string[]) {
  return { listen, script: { type: 'text/javascript', exec } }
}

export function jsonBody(raw: string) {
  return { mode: 'raw', raw, options: { raw: { language: 'json' } } }
}
