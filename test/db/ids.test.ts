/** Ids have the order of numbers, whatever clocks say. */
import t from 'tap'
import { idAfter, idPlus, idsFrom } from '../../db/authors/ids.ts'
import { timeOf } from '../../db/text.ts'

/** The last id of its millisecond but for the 48 bits at the end. */
const LAST = '019a0000-0000-7abc-8fff-ffffffffffff'
const NEXT = '019a0000-0000-7abc-9000-000000000000'
const TIME = Date.parse(timeOf(LAST))

/** The same id, so many milliseconds later. */
function shifted(id: string, milliseconds: number): string {
  const time = (TIME + milliseconds).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}${id.slice(13)}`
}

t.test('the next id is the stamp when that is later', async (t) => {
  t.equal(idAfter(undefined, LAST), LAST, 'the first of all')
  t.equal(idAfter(LAST, NEXT), NEXT)
  for (const ahead of [1, 1000, 86_400_000])
    t.equal(idAfter(LAST, shifted(LAST, ahead)), shifted(LAST, ahead))
})

t.test('by a clock that was set back a bit ids go on from the last', async (t) => {
  t.equal(idAfter(LAST, LAST), NEXT, 'the same id again')
  t.equal(idAfter(NEXT, LAST), '019a0000-0000-7abc-9000-000000000001', 'the same millisecond')
  for (const back of [1, 999, 60_000, 600_000])
    t.equal(idAfter(LAST, shifted(LAST, -back)), NEXT, `${back} ms`)
})

t.test('a clock that was set back by more is believed', async (t) => {
  for (const back of [600_001, 3_600_000, 86_400_000]) {
    t.equal(idAfter(LAST, shifted(LAST, -back)), shifted(LAST, -back), `${back} ms`)
  }
})

t.test('counting on carries over any border, and keeps the zeros in front', async (t) => {
  t.equal(idPlus(LAST, 0), LAST)
  t.equal(idPlus(LAST, 1), NEXT)
  t.equal(idPlus('019a0000-0000-7abc-8000-0000ffffffff', 1), '019a0000-0000-7abc-8000-000100000000')
  t.equal(idPlus('00000000-0000-7000-8000-000000000009', 7), '00000000-0000-7000-8000-000000000010')
  t.equal(idPlus('019a0000-0000-7abc-8000-000000000000', 2 ** 48 + 5), '019a0000-0000-7abc-8001-000000000005')
  let id = shifted(LAST, 0)
  for (let i = 1; i <= 300; i++) {
    const next = idPlus(id, 1)
    t.ok(next > id && next === idPlus(LAST, i))
    id = next
  }
})

t.test('ids that differ in their last twelve digits only are found for any count', async (t) => {
  const last = (tail: number) => `019a0000-0000-7abc-8fff-${tail.toString(16).padStart(12, '0')}`
  const ends = 2 ** 48
  for (const [id, count, first] of [
    [last(0), 20_000, last(0)],
    [last(ends - 20_001), 20_000, last(ends - 20_001)],
    [last(ends - 20_000), 20_000, NEXT],
    [last(ends - 2), 20_000, NEXT],
    [LAST, 1, NEXT],
    [LAST, 0, LAST]
  ] as const) {
    const { head, tail } = idsFrom(id, count)
    const at = (index: number) => head + (tail + index).toString(16).padStart(12, '0')
    t.equal(at(0), first, `${count} from ${id}`)
    t.ok(at(0) >= id)
    for (const index of [0, count >> 1, count - 1]) if (index >= 0) t.equal(at(index), idPlus(at(0), index))
    t.equal(at(0).length, 36)
  }
})
