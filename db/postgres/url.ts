/** Whether a `DATABASE_URL` names a server, and no file. It is a module of its own because a start asks before it loads anything else. */
export function isServer(url: string): boolean {
  return /^postgres(ql)?:/i.test(url)
}
