import fc from 'fast-check'
import t from 'tap'
import { temporaryFolder } from '../../helpers.ts'
import { program } from './program.ts'
import { met, World } from './world.ts'

const RUNS = 200

t.test('whatever comes together, the table is as if one had come after the other', async (t) => {
  const folder = temporaryFolder(t)
  const property = fc.asyncProperty(program, async (actors) => {
    const world = await World.open(folder, actors)
    try {
      const played = await Promise.allSettled(actors.map((actor, i) => world.play(actor, `actor${i}`)))
      for (const result of played) if (result.status === 'rejected') throw result.reason
      world.checkEnd()
    } finally {
      await world.close()
    }
  })
  await fc.assert(property, { numRuns: RUNS, timeout: 10_000 })
  t.comment(met)
  for (const [what, times] of Object.entries(met)) t.ok(times > RUNS / 10, `${what}: ${times}`)
})
