/** What a thread begins with that runs without coverage; see lean-children.ts. It is JavaScript, which is there before the cache. */
import module from 'node:module'

module.enableCompileCache(process.env.NODE_COMPILE_CACHE)
