/** The service as it is, but for its group commit: each write has a commit, and so a sync of the disk, of its own. */
import { GroupCommit } from '../db/sqlite/group-commit.ts'

GroupCommit.mostMembers = 1
await import('../main.ts')
