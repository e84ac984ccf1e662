/** A process that writes as fast as it can for so many milliseconds; prints how often it did and the longest wait. */
import path from 'node:path'
import { openDatabase } from '../../../db/database.ts'
import { addWord } from './commands/filling.ts'
import { callOf } from './world.ts'

const [file, name, milliseconds] = process.argv.slice(2) as [string, string, string]
const db = await openDatabase(file, {
  isInUse: true,
  commandFolders: [path.join(import.meta.dirname, 'commands')]
})
const result = { done: 0, refused: 0, longestMs: 0 }
process.send?.('ready')
await new Promise((resolve) => process.once('message', resolve))
const end = performance.now() + Number(milliseconds)

async function client(number: number): Promise<void> {
  for (let i = 0; performance.now() < end; i++) {
    const begun = performance.now()
    await db.run(callOf(addWord, { word: `${name} ${number} ${i}` })).then(
      () => (result.done += 1),
      () => (result.refused += 1)
    )
    result.longestMs = Math.max(result.longestMs, performance.now() - begun)
  }
}

await Promise.all(Array.from({ length: 32 }, (_, number) => client(number)))
process.send?.(result)
process.disconnect()
await db.close()
