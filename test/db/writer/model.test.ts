// On SQLite alone: its writer thread.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../../helpers.ts'
import { mutants } from './commands/playing.ts'
import { program } from './program.ts'
import { met, World } from './world.ts'

const RUNS = 150
/** A mutant is found within a few, mostly. */
const MOST_RUNS_OF_MUTANTS = 400

async function playPrograms(t: Test, numRuns: number) {
  const world = await World.open(temporaryFolder(t))
  try {
    const property = fc.asyncProperty(program, (actors) => world.play(actors))
    return await fc.check(property, { numRuns, endOnFailure: true })
  } finally {
    await world.close()
  }
}

t.test('whatever comes together, the table is as if one had come after the other', async (t) => {
  const result = await playPrograms(t, RUNS)
  t.notOk(
    result.failed,
    `${fc.defaultReportMessage(result)} ${(result.errorInstance as Error | null)?.stack}`
  )
  t.comment(met)
  for (const [what, times] of Object.entries(met)) t.ok(times > RUNS / 40, `${what}: ${times}`)
})

for (const mutant of mutants) {
  t.test(`a writer that ${mutant} is found out`, async (t) => {
    process.env.MUTANT = mutant
    t.teardown(() => {
      delete process.env.MUTANT
    })
    const result = await playPrograms(t, MOST_RUNS_OF_MUTANTS)
    t.ok(result.failed)
    t.comment(String(result.errorInstance).slice(0, 200), `after ${result.numRuns} runs`)
  })
}
