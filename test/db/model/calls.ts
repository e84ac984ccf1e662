import type { Call, Command } from '../../../db/command.ts'

/** A call of the service to one of the test's commands. */
export function callOf<Input extends object>({ name }: Command<Input, unknown>, input: Input): Call {
  const stamp = { id: 'none', at: '2026-01-01T00:00:00.000Z' }
  return { command: name, input, stamp, credential: undefined, form: undefined }
}
