/**
 * Where the service starts. It is JavaScript, for all other files need not be read as TypeScript once they have been: what V8
 * has made of them is kept beside the packages. That takes a third off every start but the first, and 11 MB off the process.
 */
import './scripts/check-node.js'
import module from 'node:module'
import path from 'node:path'

module.enableCompileCache(path.join(import.meta.dirname, 'node_modules/.cache/library-api'))
// After that, for it holds only for what is loaded later.
const { prepareEngine } = await import('./db/prepare.ts')
prepareEngine(process.env.DATABASE_URL)
await import('./main.ts')
