/** What the tests of the command line share: files, and things on a port that are not our service. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import path from 'node:path'
import type { Test } from 'tap'
import type { Service } from '../../../scripts/client/http.ts'
import { ProgressBar } from '../../../scripts/client/progress.ts'
import { temporaryFolder } from '../../helpers.ts'

export const HEADER =
  'name,book,country,booker_prize,birth_year,death_year,viaf,isni,wikidata,openlibrary,sort_name,note'

/** As the service writes it. */
export const CSV = [
  HEADER,
  'Salman Rushdie,"Midnight\'s ""Children""",India,true,1947,,108299403,,Q44306,,,"two\nlines, and a comma"',
  'Ovid,Metamorphoses,Italy,false,-43,17,,,,,,""',
  "Ann,'=1+1,Nowhere,false,,,,,,,,"
]
  .map((line) => `${line}\r\n`)
  .join('')

const NONE = { viaf: null, isni: null, wikidata: null, openlibrary: null }

/** The same authors. */
export const NDJSON = [
  {
    name: 'Salman Rushdie',
    sort_name: null,
    book: 'Midnight\'s "Children"',
    country: 'India',
    booker_prize: true,
    birth_year: 1947,
    death_year: null,
    identifiers: { ...NONE, viaf: '108299403', wikidata: 'Q44306' },
    note: 'two\nlines, and a comma'
  },
  {
    name: 'Ovid',
    sort_name: null,
    book: 'Metamorphoses',
    country: 'Italy',
    booker_prize: false,
    birth_year: -43,
    death_year: 17,
    identifiers: NONE,
    note: ''
  },
  {
    name: 'Ann',
    sort_name: null,
    book: '=1+1',
    country: 'Nowhere',
    booker_prize: false,
    birth_year: null,
    death_year: null,
    identifiers: NONE,
    note: null
  }
]
  .map((author) => `${JSON.stringify(author)}\n`)
  .join('')

/** An `ImportResult`. */
export const RESULT = { created: 3, unchanged: 0, refused: 0, dry_run: false, reasons: [], errors: [] }

/** What nobody watches. */
export const NO_BAR = new ProgressBar({ isTTY: false } as NodeJS.WriteStream)

/** The service at an address, with a token that is good for a fake. */
export function service(url: string, token = 'a.b.c'): Service {
  return { url, signal: new AbortController().signal, headers: { authorization: `Bearer ${token}` } }
}

/** A file of the test's own. */
export function file(t: Test, name: string, content: string): string {
  const place = path.join(temporaryFolder(t), name)
  writeFileSync(place, content)
  return place
}

/** Opens a port; gives its address. */
export async function openPort(t: Test, server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Answers in place of the service. */
export function serve(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  t.teardown(() => server.closeAllConnections())
  return openPort(t, server)
}

/** Answers a problem document. */
export function problem(
  response: ServerResponse,
  status: number,
  members: object,
  headers: Record<string, string> = {}
): void {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers })
  response.end(JSON.stringify({ status, ...members }))
}

/** An export of CSV that has this body, and then goes on as `end` has it. */
export function exporter(
  body: string,
  end: (response: ServerResponse) => void = (response) => response.end()
): RequestListener {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8' })
    response.write(body, () => end(response))
  }
}

/** The last line of an export, of so many rows, that has this before it. */
export function receiptOf(content: string | Buffer, rows: number): string {
  return `{"rows":${rows},"sha256":"${createHash('sha256').update(content).digest('hex')}"}\n`
}
