import { startCompetitor } from './contenders.ts'
import type { Figure } from './figures.ts'
import { type Fixture, importAuthors } from './fixture.ts'
import { ndjsonOf } from './generate-authors.ts'
import { median } from './measuring.ts'

/**
 * How long an import of so many authors takes as NDJSON, all or none, from the first byte sent to the answer; each time into a catalogue
 * of a few, which `make` makes under a name.
 */
export async function measureImports(
  make: (name: string) => Promise<Fixture>,
  { authors, rounds }: { authors: number; rounds: number }
): Promise<Figure[]> {
  const lines = [...ndjsonOf(authors)]
  const seconds: number[] = []
  for (let round = 0; round < rounds; round++)
    seconds.push(await timeOf(await make(`imports-${round}`), lines))
  const time = median(seconds)
  const [low, high] = [Math.min(...seconds), Math.max(...seconds)].map((one) => one.toFixed(1))
  const rate = Math.round(authors / time).toLocaleString('en')
  return [
    {
      title: `import of ${authors.toLocaleString('en')} authors`,
      value: `${time.toFixed(1)} s (${low} to ${high}), ${rate} authors/s`,
      failed: 0
    }
  ]
}

async function timeOf(fixture: Fixture, lines: string[]): Promise<number> {
  const service = await startCompetitor(fixture)
  try {
    const begun = performance.now()
    await importAuthors(service.url, { authorization: `Bearer ${fixture.ownerToken}` }, lines)
    return (performance.now() - begun) / 1000
  } finally {
    await service.end()
  }
}
