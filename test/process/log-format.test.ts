import { Writable } from 'node:stream'
import t from 'tap'
import { logStream, readable } from '../../process/log-format.ts'
import { flushLog, logOutput } from '../../process/log-output.ts'

const line = (fields: object) =>
  JSON.stringify({
    level: 40,
    time: Date.UTC(2026, 10, 23, 9, 30),
    pid: 1,
    hostname: 'x',
    msg: 'it is late',
    ...fields
  })

t.test('a line of the log for people', async (t) => {
  t.equal(readable(line({})), '2026-11-23T09:30:00.000Z warn  it is late\n')
  t.equal(
    readable(line({ level: 35, event: 'login_failed', count: 3, name: 'two words', more: { a: null } })),
    '2026-11-23T09:30:00.000Z 35    it is late  event=login_failed  count=3  name="two words"  more={"a":null}\n'
  )
  t.equal(
    readable(
      line({
        level: 50,
        msg: 'no\u001b[2J\u202ething',
        err: { message: 'x', stack: 'Error: x\u0007\n  at y' }
      })
    ),
    '2026-11-23T09:30:00.000Z ERROR no\\u{1b}[2J\\u{202e}thing\nError: x\\u{7}\n  at y\n'
  )
})

t.test('it is for people in a terminal, and for programs elsewhere, or as LOG_FORMAT says', async (t) => {
  const lines: string[] = []
  const out = (isTTY: boolean) => {
    const stream = new Writable({
      decodeStrings: false,
      write: (text, _encoding, done) => done(void lines.push(text))
    })
    return Object.assign(stream, { isTTY }) as unknown as NodeJS.WriteStream
  }
  const people = '2026-11-23T09:30:00.000Z warn  it is late\n'
  for (const [LOG_FORMAT, isTerminal, text] of [
    ['auto', false, line({})],
    ['json', true, line({})],
    ['auto', true, people],
    ['text', false, people]
  ] as const) {
    logStream({ LOG_FORMAT }, out(isTerminal)).write(line({}))
    t.equal(lines.pop(), text)
  }
})

t.test('what a log cannot take is lost, and nothing else', async (t) => {
  const full = new Writable({ write() {} }) as unknown as NodeJS.WriteStream
  const write = logOutput(full)
  const text = 'x'.repeat(1024 * 1024)
  for (let times = 0; times < 20; times++) write(text)
  t.ok(full.writableLength < 6 * 1024 * 1024, 'what waits for a reader is bounded')
  await flushLog(full)
  t.pass('and nobody waits for that reader')
  full.destroy(new Error('gone'))
  await new Promise((resolve) => full.once('close', resolve))
  write(text)
  const failing = Object.assign(new Writable(), {
    write() {
      throw new Error('disk full')
    }
  }) as unknown as NodeJS.WriteStream
  t.doesNotThrow(() => logOutput(failing)(text))
  const quick = new Writable({ write: (_chunk, _encoding, done) => void setImmediate(done) })
  quick.write(text)
  await flushLog(quick as unknown as NodeJS.WriteStream)
  t.equal(quick.writableLength, 0)
})
