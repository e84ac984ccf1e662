/** A process that attacks a service in all ways at once, until its parent is gone or has heard enough. */
import { ATTACKS, seen, type Target } from './attacks.ts'

process.once('message', (target: Target) => {
  for (const attack of Object.values(ATTACKS)) attack(target)
  setInterval(() => process.send?.(seen), 1000)
})
process.once('disconnect', () => process.exit())
