import { hostname, userInfo } from 'node:os'

/** Who runs a command here: the account on this host, and behind `sudo` the one before it too. */
export function hostAccount(variables: NodeJS.ProcessEnv = process.env): string {
  const { SUDO_USER: before } = variables
  const account = `${accountName()}@${hostname()}`
  return before === undefined || before === '' ? account : `${before} as ${account}`
}

/** A container may run as a number that has no name. */
function accountName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown')
  }
}
