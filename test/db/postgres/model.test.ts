import fc from 'fast-check'
import t from 'tap'
import { newDatabase } from '../../engines.ts'
import { program } from './program.ts'
import { met, World } from './world.ts'

const RUNS = Number(process.env.MODEL_RUNS ?? 100)

t.test(
  'whatever comes to three instances together, the table is as if one had come after the other',
  { context: { engine: 'postgres' }, timeout: 180_000 },
  async (t) => {
    const world = await World.open(await newDatabase(t))
    try {
      const property = fc.asyncProperty(program, (actors) => world.play(actors))
      const result = await fc.check(property, { numRuns: RUNS, endOnFailure: true })
      t.notOk(
        result.failed,
        `${fc.defaultReportMessage(result)} ${(result.errorInstance as Error | null)?.stack}`
      )
    } finally {
      await world.close()
    }
    t.comment(met)
    for (const [what, times] of Object.entries(met)) t.ok(times > RUNS / 50, `${what}: ${times}`)
  }
)
