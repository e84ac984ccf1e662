/**
 * Processes that tests start run as they do outside of tests, with V8's compile cache and without the coverage of tap: they start
 * twice as fast. Those that have lines which only they run are started with `COVERED`.
 */
import path from 'node:path'
import processOnSpawn from 'process-on-spawn'

const COMPILE_CACHE = path.join(import.meta.dirname, '../node_modules/.cache/library-api')
const TAP_LOADER = /"?--import=[^\s"]*\/@tapjs\/processinfo\/[^\s"]*"?/g

/** A variable for the environment of a process whose lines are to count as covered. */
export const COVERED = { IS_COVERED: 'yes' }

processOnSpawn.addListener((child) => {
  if ('IS_COVERED' in child.env) return
  const { NODE_OPTIONS = '', NODE_DISABLE_COMPILE_CACHE: _, ...env } = child.env
  child.env = {
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...env,
    NODE_OPTIONS: NODE_OPTIONS.replace(TAP_LOADER, '').trim()
  }
})
