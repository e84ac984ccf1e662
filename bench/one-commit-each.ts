/** The service as it is, but for its group commit: each write has a commit, and so a sync of the disk, of its own. */
import { SqliteEngine } from '../db/sqlite/engine.ts'

SqliteEngine.mostCalls = 1
await import('../main.ts')
