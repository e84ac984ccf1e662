/** Databases of before. */
import '../db/lean-rows.test.ts'
import '../db/migrator.test.ts'
import '../db/people.test.ts'
import '../db/refold.test.ts'
import '../db/schemas.test.ts'
