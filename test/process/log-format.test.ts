import t from 'tap'
import { logStream, readable } from '../../process/log-format.ts'

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
  const out = (isTTY: boolean) => ({ isTTY, write: (text: string) => lines.push(text) }) as never
  t.equal(logStream({ LOG_FORMAT: 'auto' }, out(false)), undefined)
  t.equal(logStream({ LOG_FORMAT: 'json' }, out(true)), undefined)
  for (const stream of [
    logStream({ LOG_FORMAT: 'auto' }, out(true)),
    logStream({ LOG_FORMAT: 'text' }, out(false))
  ])
    stream?.write(line({}))
  t.strictSame(lines, Array(2).fill('2026-11-23T09:30:00.000Z warn  it is late\n'))
})
