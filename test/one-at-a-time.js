/**
 * tap follows every promise of a process to know which of several tests has thrown what nobody caught, which takes up to a third of the time
 * of tests. Those of one process run one after the other here, and what nobody catches ends the process, which fails then.
 */
import hooks from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'

const { createHook } = hooks
const NONE = { enable: () => NONE, disable: () => NONE }

hooks.createHook = (callbacks) => (/async-hook-domain/.test(new Error().stack) ? NONE : createHook(callbacks))
syncBuiltinESMExports()
