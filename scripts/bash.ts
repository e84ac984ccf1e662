/**
 * `bash ...WITHOUT_PROFILE, script`: what Node gives a child as its input is a socket, by which Bash takes itself for a remote login and would
 * run the user's `~/.bashrc` first.
 */
export const WITHOUT_PROFILE = ['--norc', '-c']
