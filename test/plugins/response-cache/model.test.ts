import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { newDatabase, test } from '../../engines.ts'
import { buildApp, openDirectly } from '../../helpers.ts'
import { actions } from './actions.ts'
import { met, World } from './world.ts'

const RUNS = 10

test('no answer of three instances is ever out of date, of another, or for one who may not have it', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const servers: FastifyInstance[] = []
  for (let i = 0; i < 3; i++) servers.push(await buildApp(t, { DATABASE_URL }))
  const other = openDirectly(t, DATABASE_URL)
  // One after the other on the same instances, for the older what they keep is, the better.
  const property = fc.asyncProperty(actions, async (program) => {
    const world = await World.open(servers, other)
    const underWay: Promise<void>[] = []
    for (const action of program) {
      if (action.waits) await Promise.all(underWay.splice(0))
      underWay.push(world.act(action))
    }
    await Promise.all(underWay)
    await world.checkAll()
  })
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true })
  t.comment(met)
  for (const [what, times] of Object.entries(met)) t.ok(times > RUNS, `${what}: ${times}`)
})
