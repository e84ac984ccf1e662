import t from 'tap'
import { newDatabase } from '../../engines.ts'
import { met, playPrograms, World } from './world.ts'

const RUNS = Number(process.env.MODEL_RUNS ?? 100)

t.test(
  'whatever comes to three instances together, the table is as if one had come after the other',
  { context: { engine: 'postgres' }, timeout: 180_000 },
  async (t) => {
    await playPrograms(t, await World.open(await newDatabase(t)), RUNS)
    t.comment(met)
    for (const [what, times] of Object.entries(met)) t.ok(times > RUNS / 50, `${what}: ${times}`)
  }
)
