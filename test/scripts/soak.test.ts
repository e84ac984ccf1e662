import t from 'tap'
import { soak } from '../../scripts/soak.ts'
import { temporaryFolder } from '../helpers.ts'

t.test(
  'under all attacks at once an honest client is served, and afterwards nothing is left',
  { skip: process.platform !== 'linux' && 'no /proc' },
  async (t) => {
    const lines: string[] = []
    const faults = await soak({
      seconds: 6,
      scale: 0.1,
      folder: temporaryFolder(t),
      log: (line) => lines.push(line),
      // On a machine that runs other tests; and what cannot be must be found.
      limits: { p99Ms: 2000, memoryMb: 1 }
    })
    t.match(faults, [/^the memory came to \d+ MB$/])
    t.equal(faults.length, 1, lines.join('\n'))
    t.match(lines[0], /^6 s: [1-9]\d+ honest requests, 0 failed, .* attackers {"opened":[1-9]/)
  }
)
