import type { FastifyRequest } from 'fastify'
import type { ReadDb } from '../../db/tables.ts'
import { findUserById, type PublicUser } from '../../db/users.ts'
import { UserNotFound } from '../../schemas/errors.ts'

/** Throws `UserNotFound`. */
export async function getUser(db: ReadDb, id: string): Promise<PublicUser> {
  const user = await findUserById(db, id)
  if (user === undefined) throw new UserNotFound(id)
  return user
}

/** Notes in the log what an admin has seen or done of a user. */
export function note(request: FastifyRequest, act: Record<string, unknown> & { event: string }): void {
  request.log.info({ ...act, by: request.user.id }, act.event.replaceAll('_', ' '))
}
