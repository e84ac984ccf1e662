// On SQLite alone: no database is asked.
/** The rows of large files are read in a thread of its own, with the same outcome as those of small ones. */
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTick } from 'node:timers/promises'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { bytesOf } from '../../plugins/transfers/bytes.ts'
import { type CheckedRow, checkedRows, type FileFormat } from '../../plugins/transfers/checked-rows.ts'
import type { Read } from '../../plugins/transfers/reading-thread.ts'
import { RowReader } from '../../plugins/transfers/row-reader.ts'
import { AUTHOR, ROOT, temporaryFolder } from '../helpers.ts'

const NDJSON = { mediaType: 'application/x-ndjson' }
const CSV: FileFormat = { mediaType: 'text/csv', columnMap: [['titel', 'book']] }
const ROWS = 2000
const NOTE = 'ñ'.repeat(1500)

const lineOf = (i: number) =>
  JSON.stringify({ ...AUTHOR, name: `Author ${i}`, book: `Book ${i}`, note: NOTE })
const lines = Array.from({ length: ROWS }, (_, i) => lineOf(i))
const csv = ['name,titel,note', ...lines.map((_, i) => `Author ${i},"Book, ${i}",${NOTE}`)]

function open(t: Test, text: string | Buffer, flags = 'r'): number {
  const file = path.join(temporaryFolder(t), 'file')
  writeFileSync(file, text)
  const fd = openSync(file, flags)
  t.teardown(() => closeSync(fd))
  return fd
}

function openReader(t: Test): RowReader {
  const reader = new RowReader()
  t.teardown(() => reader.close())
  return reader
}

async function all(batches: AsyncIterable<CheckedRow[]>): Promise<CheckedRow[]> {
  const rows: CheckedRow[] = []
  for await (const batch of batches) rows.push(...batch)
  return rows
}

const withFaults = lines.with(700, '{"name":""}').with(701, '').with(1500, '{"name":')
const FILES: [string, string | Buffer, FileFormat][] = [
  ['NDJSON', lines.join('\n'), NDJSON],
  ['NDJSON with faults', withFaults.join('\r\n'), NDJSON],
  ['a line that is too long', lines.with(900, 'x'.repeat(1_000_001)).join('\n'), NDJSON],
  ['CSV', csv.join('\n'), CSV],
  ['CSV that is not closed', csv.with(1200, '"Author').join('\n'), CSV],
  ['what is no CSV', Buffer.alloc(5_000_000, 'PK\x03\x04'), CSV]
]

t.test('a file that cannot be read fails', async (t) => {
  await t.rejects(all(openReader(t).read(open(t, lines.join('\n'), 'a'), NDJSON)), { message: /EBADF/ })
})

t.test('who takes no more rows stops the reading, and the thread reads the next file', async (t) => {
  const reader = openReader(t)
  const fd = open(t, lines.join('\n'))
  const started = once(process, 'worker')
  const batches = reader.read(fd, NDJSON)
  t.match(await batches.next(), { done: false })
  await batches.return(undefined)
  t.equal((await all(reader.read(fd, NDJSON))).length, ROWS)
  const [thread] = (await started) as [Worker]
  reader.close()
  await once(thread, 'exit')
  t.equal((await all(reader.read(fd, NDJSON))).length, ROWS, 'in another thread')
})

for (const [title, text, format] of FILES) {
  t.test(`${title} is read elsewhere as here`, async (t) => {
    const fd = open(t, text)
    const here = await all(checkedRows(Readable.from(bytesOf(fd)), format))
    const started = once(process, 'worker')
    const elsewhere = await all(openReader(t).read(fd, format))
    await started
    t.strictSame(elsewhere, here)
  })
}

t.test('who gives up does not wait for rows that are far away', async (t) => {
  const fd = open(t, `${lines.slice(0, 256).join('\n')}${'\n'.repeat(4 * 1024 * 1024)}${lineOf(256)}`)
  const reader = openReader(t)
  const begun = performance.now()
  const whole = reader.read(fd, NDJSON)
  await whole.next()
  const first = performance.now()
  t.equal((await all(whole)).length, 1)
  const rest = performance.now() - first
  t.comment(`${(first - begun).toFixed(0)} ms to the first rows, ${rest.toFixed(0)} ms for the rest`)
  const given = reader.read(fd, NDJSON)
  await given.next()
  const gaveUp = performance.now()
  await given.return(undefined)
  const waited = performance.now() - gaveUp
  t.ok(waited < rest / 3, `${waited.toFixed(0)} ms`)
})

t.test('once no more rows are wanted nothing reads the source any more', async (t) => {
  let isRead = true
  async function* endless() {
    try {
      for (;;) yield Buffer.from(`${lineOf(0)}\n`)
    } finally {
      await nextTick()
      isRead = false
    }
  }
  const rows = checkedRows(Readable.from(endless()), NDJSON)
  await rows.next()
  await rows.return(undefined)
  t.notOk(isRead)
})

t.test('a file whose thread ends amid it fails, and the next has another thread', async (t) => {
  const reader = openReader(t)
  const started = once(process, 'worker')
  const batches = reader.read(open(t, lines.join('\n')), NDJSON)
  await batches.next()
  const [thread] = (await started) as [Worker]
  await thread.terminate()
  await t.rejects(all(batches), { message: 'the thread that reads the file ended' })
  t.equal((await all(reader.read(open(t, lines.join('\n')), NDJSON))).length, ROWS)
})

t.test('no more rows are made ready than can be taken', async (t) => {
  const thread = new Worker(path.join(ROOT, 'plugins/transfers/reading-thread.ts'))
  t.teardown(() => thread.terminate())

  function begin(fd: number): MessagePort {
    const { port1, port2 } = new MessageChannel()
    thread.postMessage({ fd, format: NDJSON, port: port2 }, [port2])
    return port1
  }

  const heard: Read[] = []
  const port = begin(open(t, lines.join('\n')))
  port.on('message', (message: Read) => heard.push(message))
  const small = open(t, lineOf(0))
  const others = async () => {
    for (let i = 0; i < 20; i++) await once(begin(small), 'message')
  }
  while (heard.length < 4) await once(port, 'message')
  await others()
  t.equal(heard.length, 4)
  port.postMessage('taken')
  await once(port, 'message')
  await others()
  t.equal(heard.length, 5)
  while (heard.at(-1) !== 'all') {
    port.postMessage('taken')
    await once(port, 'message')
  }
  port.close()
  t.equal(heard.length, Math.ceil(ROWS / 256) + 1)
})
