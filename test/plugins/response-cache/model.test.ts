import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { buildApp, temporaryFolder } from '../../helpers.ts'
import { actions } from './actions.ts'
import { met, World } from './world.ts'

const RUNS = 10

t.test(
  'no answer of two instances is ever out of date, of another, or for one who may not have it',
  async (t) => {
    const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
    const servers = [await buildApp(t, { DATABASE_URL }), await buildApp(t, { DATABASE_URL })]
    // One after the other on the same instances, for the older what they keep is, the better.
    const property = fc.asyncProperty(actions, async (program) => {
      const world = await World.open(servers, DATABASE_URL)
      const underWay: Promise<void>[] = []
      for (const action of program) {
        if (action.waits) await Promise.all(underWay.splice(0))
        underWay.push(world.act(action))
      }
      await Promise.all(underWay)
      await world.checkAll()
      world.close()
    })
    await fc.assert(property, { numRuns: RUNS, endOnFailure: true })
    t.comment(met)
    for (const [what, times] of Object.entries(met)) t.ok(times > RUNS, `${what}: ${times}`)
  }
)
