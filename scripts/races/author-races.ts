/** Races for authors: each gives what was wrong, if anything was. */
import { randomUUID } from 'node:crypto'
import { ImportFile } from '../crash/import-file.ts'
import { type Author, randomContent } from '../crash/life.ts'
import { type Call, read } from '../crash/requests.ts'
import { type Rivals, statusesOf } from './rivals.ts'

const ROWS = 20

/** Both replace the version that they have read. */
export async function raceForAuthor(rivals: Rivals): Promise<string | undefined> {
  const content = randomContent()
  const created = await rivals.ask(0, { method: 'POST', path: '/authors', body: content })
  const path = `/authors/${JSON.parse(created.text).id}`
  const replacing = (): Call => ({
    method: 'PUT',
    path,
    headers: { 'if-match': created.etag as string },
    body: randomContent(content.name)
  })
  const answers = await rivals.race([replacing(), replacing()])
  if (statusesOf(answers) !== '200 and 412') return `both replace one version: ${statusesOf(answers)}`
  const winner = answers.find(({ status }) => status === 200)
  for (const client of rivals.clients) {
    const now = JSON.stringify(await read(client, path))
    if (now !== winner?.text || JSON.parse(now).version !== 2) return `it is not what won: ${now}`
  }
  const { data } = await read<{ data: { version: number }[] }>(rivals.clients[1], `${path}/history`)
  return data.length === 2 ? undefined : `its history has ${data.length} versions`
}

/** Both create an author of the same name and book, written in two ways. */
export async function raceForName(rivals: Rivals): Promise<string | undefined> {
  const content = randomContent()
  const creating = (name: string): Call => ({ method: 'POST', path: '/authors', body: { ...content, name } })
  const answers = await rivals.race([creating(content.name), creating(content.name.toUpperCase())])
  if (statusesOf(answers) !== '201 and 409') return `both create one author: ${statusesOf(answers)}`
  return whyNot(rivals, content.name, 1)
}

/** Both send the same creation under one key; or, if `isOther`, another one under the same key. */
export async function raceForKey(rivals: Rivals, isOther = Math.random() < 0.5): Promise<string | undefined> {
  const content = randomContent()
  const headers = { 'idempotency-key': randomUUID() }
  const creating = (body: object): Call => ({ method: 'POST', path: '/authors', headers, body })
  const answers = await rivals.race([
    creating(content),
    creating(isOther ? { ...content, book: `${content.book} again` } : content)
  ])
  const expected = isOther ? '201 and 422' : '201 and 201'
  if (statusesOf(answers) !== expected) return `both use one key: ${statusesOf(answers)}`
  const [one, other] = answers
  if (!isOther && one.text !== other.text) return `one key has two answers: ${one.text} and ${other.text}`
  return whyNot(rivals, content.name, 1)
}

/** Both import the same file. */
export async function raceForImport(rivals: Rivals): Promise<string | undefined> {
  const file = new ImportFile(ROWS, Math.random() < 0.5 ? 'all' : 'partial')
  const answers = await rivals.race([file.call, file.call])
  if (statusesOf(answers) !== '200 and 200') return `both import one file: ${statusesOf(answers)}`
  const created = answers.map(({ text }) => JSON.parse(text).created as number)
  if (created.reduce((sum, count) => sum + count) !== ROWS) return `${created.join(' and ')} were created`
  return whyNot(rivals, file.word, ROWS)
}

/** Unless both instances find so many authors by this word. */
async function whyNot(rivals: Rivals, text: string, count: number): Promise<string | undefined> {
  const query = encodeURIComponent(text)
  for (const client of rivals.clients) {
    const { data } = await read<{ data: Author[] }>(client, `/authors?q=${query}&limit=100`)
    if (data.length !== count) return `${data.length} authors are found, not ${count}`
  }
  return undefined
}
