import { serviceCommand } from '../command.ts'

/** Does nothing, which only a database that can be written to does. */
export const checkWriting = serviceCommand('checkWriting', async () => undefined)
