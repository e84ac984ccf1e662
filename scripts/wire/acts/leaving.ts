/** Users as others see them, and what is left of those who go. */
import {
  type Act,
  basic,
  followAll,
  logIn,
  NDJSON,
  NOBODY,
  PASSWORD,
  patch,
  type Stage,
  signUp
} from '../stage.ts'
import { operating } from './accounts.ts'

export async function leaving(stage: Stage): Promise<void> {
  for (const act of [users, leavingOneself, beingDeleted]) await act(stage)
}

const users: Act = async (stage) => {
  const { wire, cast } = stage
  const { anna, boris, chen } = cast
  await followAll(wire, 'GET /users?limit=7', { as: chen.token })
  for (const line of [
    'GET /users',
    'HEAD /users',
    'OPTIONS /users',
    'GET /users?cursor=x',
    'GET /users?limit=101'
  ])
    await wire.send(line, { as: chen.token })
  for (const id of [anna.id, chen.id, NOBODY, 'x', anna.id.toUpperCase()])
    await wire.send(`GET /users/${id}`, { as: chen.token })
  const person = await signUp(wire, 'changeable')
  const change = (id: string, json: unknown, as = anna.token) => wire.send(`PATCH /users/${id}`, { as, json })
  for (const { token } of [boris, chen]) await change(person.id, { role: 'admin' }, token)
  for (const json of [{}, { role: 'king' }, { disabled: 'yes' }, { role: 'reader', username: 'x' }])
    await change(person.id, json)
  await change(person.id, { role: 'reader' })
  await wire.send('POST /authors', { as: person.token, json: { name: 'x', book: 'x', country: 'x' } })
  await change(person.id, { disabled: true })
  await wire.send('GET /me', { as: person.token })
  await wire.send('POST /login', { as: basic('changeable', PASSWORD) })
  await change(person.id, { disabled: false, role: 'editor' })
  for (const json of [{ role: 'editor' }, { disabled: true }]) await change(anna.id, json)
  for (const id of [NOBODY, 'x']) await change(id, { role: 'reader' })
  await wire.send(`DELETE /users/${anna.id}`, { as: anna.token })
  await wire.send('DELETE /me', { as: anna.token, json: { password: PASSWORD } })
  for (const id of [NOBODY, 'x', person.id]) await wire.send(`DELETE /users/${id}`, { as: boris.token })
  await operating(stage, person)
}

/** Somebody with authors in all states, and more of them than are disowned at once. */
async function write({ wire }: Stage, as: string, name: string): Promise<void> {
  const file = Array.from(
    { length: 250 },
    (_, index) => `${JSON.stringify({ name, book: `Left ${index}`, country: 'Nowhere' })}\n`
  )
  await wire.send('POST /authors/import', { as, body: [NDJSON, file.join('')] })
  const slug = name.toLowerCase()
  await wire.send(`PATCH /authors/${slug}`, { as, ...patch({ note: 'changed before' }) })
  await wire.send(`DELETE /authors/${slug}-2`, { as })
  await wire.send(`DELETE /authors/${slug}-3`, { as })
  await wire.send(`POST /authors/${slug}-3/restore`, { as })
  await wire.send('POST /me/keys', { as, json: { name: 'left', scope: 'write' } })
}

/** What others see of the authors of somebody who is gone. */
async function lookAtWhatIsLeft({ wire, cast }: Stage, id: string, name: string): Promise<void> {
  const as = cast.chen.token
  const slug = name.toLowerCase()
  for (const path of [
    `/users/${id}`,
    `/authors/${slug}`,
    `/authors/${slug}/history`,
    `/authors/${slug}-2/history`,
    `/authors/${slug}-3/history`
  ])
    await wire.send(`GET ${path}`, { as })
  for (const query of [`owner=${id}&count=true`, `q=${slug}&count=true&sort=-updated_at&limit=100`])
    await followAll(wire, `GET /authors?${query}`, { as })
  for (const { token } of [cast.boris, cast.anna]) {
    await wire.send(`PATCH /authors/${slug}`, { as: token, ...patch({ note: 'adopted' }) })
    await wire.send(`POST /authors/${slug}-2/restore`, { as: token })
  }
  await wire.send(`GET /authors/${slug}-2`, { as })
}

const leavingOneself: Act = async (stage) => {
  const { wire, cast } = stage
  const person = await signUp(wire, 'leaver')
  const { json: key } = await wire.send('POST /me/keys', {
    as: person.token,
    json: { name: 'x', scope: 'read' }
  })
  await write(stage, person.token, 'Leaver')
  const others = await logIn(wire, 'leaver')
  for (const json of [{}, { password: 'wrong' }, { password: 1 }, { password: PASSWORD, x: 1 }])
    await wire.send('DELETE /me', { as: person.token, json })
  await wire.send('DELETE /me', { as: person.token, json: { password: PASSWORD } })
  for (const as of [person.token, others, key.key]) await wire.send('GET /me', { as })
  await wire.send('POST /login', { as: basic('leaver', PASSWORD) })
  await lookAtWhatIsLeft(stage, person.id, 'Leaver')
  const namesake = await signUp(wire, 'LEAVER')
  await wire.send('GET /authors?owner=me&count=true', { as: namesake.token })
  await wire.send('GET /me/sessions', { as: namesake.token })
  await wire.send('PATCH /authors/leaver', { as: namesake.token, ...patch({ note: 'mine?' }) })
  await wire.send(`DELETE /users/${person.id}`, { as: cast.anna.token })
}

const beingDeleted: Act = async (stage) => {
  const { wire, cast } = stage
  const person = await signUp(wire, 'removed')
  await write(stage, person.token, 'Removed')
  for (const { token } of [cast.boris, cast.anna, cast.anna])
    await wire.send(`DELETE /users/${person.id}`, { as: token })
  await wire.send('GET /me', { as: person.token })
  await lookAtWhatIsLeft(stage, person.id, 'Removed')
}
