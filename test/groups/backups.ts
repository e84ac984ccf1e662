/** Backups: made, verified, restored, and kept. */
import '../db/backups.test.ts'
import '../db/postgres/backups.test.ts'
import '../plugins/backups.test.ts'
import '../scripts/backups.test.ts'
import '../scripts/litestream.test.ts'
