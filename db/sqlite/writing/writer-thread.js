/** Where the thread of a `Writer` begins: JavaScript, which turns on the compile cache before anything is read as TypeScript, as server.js does. */
import module from 'node:module'
import { workerData } from 'node:worker_threads'

if (workerData.compileCache !== undefined) module.enableCompileCache(workerData.compileCache)
await import('./writer-loop.ts')
