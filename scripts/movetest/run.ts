/** `node scripts/movetest/run.ts FROM TO ROWS`: a move, so many rows at once; tells after each slice how far it is. */
import { loadConfig } from '../../config.ts'
import { moveAll } from '../move/move-all.ts'

const [from, to, mostRows] = process.argv.slice(2) as [string, string, string]
const configFor = (url: string) => loadConfig({ DATABASE_URL: url })
await moveAll(
  { from: configFor(from), to: configFor(to) },
  { mostRows: Number(mostRows), tell: (event) => console.log(JSON.stringify(event)) }
)
