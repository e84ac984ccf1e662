import t from 'tap'
import { newKey, parseKeys, rotate, type StoredKey, stateOf } from '../../../plugins/signing-keys/key-set.ts'

const NOW = new Date('2026-01-01T00:00:00.000Z')
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)

t.test('a key goes from announced to active to retired to expired', async (t) => {
  const first = newKey(NOW)
  const keys = rotate([first], NOW, 120)
  const [retiring, successor] = keys as [StoredKey, StoredKey]
  t.equal(stateOf(first, later(1e9)), 'active', 'without a successor it never ends')
  t.equal(stateOf(successor, later(119)), 'announced')
  t.equal(stateOf(retiring, later(119)), 'active')
  t.equal(stateOf(successor, later(120)), 'active')
  t.equal(stateOf(retiring, later(120)), 'retired')
  t.equal(stateOf(retiring, later(120 + 86400)), 'retired', 'as long as any token that it signed')
  t.equal(stateOf(retiring, later(120 + 86400 + 60)), 'expired')
  t.strictSame(keys, parseKeys(JSON.stringify({ keys })), 'as the file keeps them')
})

t.test('a rotation while another key is announced loses neither', async (t) => {
  const announced = rotate([newKey(NOW)], NOW, 3600)
  const keys = rotate(announced, later(10), 0)
  t.equal(keys.length, 3)
  t.strictSame(
    keys.map((key) => [10, 3600].map((seconds) => stateOf(key, later(seconds)))),
    [
      ['retired', 'retired'],
      ['active', 'retired'],
      ['announced', 'active']
    ]
  )
  t.equal(keys[2]?.kid, announced[1]?.kid)
})

t.test('a rotation removes the keys whose time is over, and leaves the others their times', async (t) => {
  const first = rotate([newKey(NOW)], NOW, 0)
  const second = rotate(first, later(86400), 0)
  t.equal(second.length, 3)
  t.strictSame(second[0], first[0])
  const third = rotate(second, later(86460), 0)
  t.strictSame(
    third.slice(0, 2).map(({ kid }) => kid),
    second.slice(1).map(({ kid }) => kid)
  )
})
