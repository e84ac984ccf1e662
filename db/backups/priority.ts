import { constants, getPriority, setPriority } from 'node:os'

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority
const PRIORITIES = { copying: PRIORITY_BELOW_NORMAL, verifying: PRIORITY_LOW }

/**
 * Has others who want the processor come first; for as long as something is copied, not by as much: the log of the database grows
 * meanwhile. A process that gives way more already stays so, and where a sandbox forbids it a backup matters more than who waits.
 */
export function giveWay(what: keyof typeof PRIORITIES): void {
  const priority = PRIORITIES[what]
  try {
    if (getPriority() < priority) setPriority(priority)
  } catch {
    // It goes on as it is.
  }
}
