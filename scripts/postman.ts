/** `npm run postman`: writes the Postman collection and environment, made from the OpenAPI document. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { helpIfAsked } from './command-line/read.ts'
import { generatePostman } from './postman/collection.ts'

const FOLDER = path.join(import.meta.dirname, '..', 'postman')

helpIfAsked('usage: npm run postman')
mkdirSync(FOLDER, { recursive: true })
for (const [name, text] of Object.entries(await generatePostman())) {
  writeFileSync(path.join(FOLDER, name), text)
  console.log(`postman/${name}`)
}
