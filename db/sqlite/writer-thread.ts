/** Where the thread of a `Writer` begins: as server.js does, it first lets V8 keep what it has made of the modules, for the next start. */
import module from 'node:module'
import { workerData } from 'node:worker_threads'

if (workerData.compileCache !== undefined) module.enableCompileCache(workerData.compileCache)
await import('./writer-loop.ts')
