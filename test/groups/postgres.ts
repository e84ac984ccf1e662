/** What PostgreSQL does when it is disturbed. */
import '../db/postgres/faults.test.ts'
import '../db/postgres/fitness.test.ts'
import '../db/postgres/model.test.ts'
import '../db/postgres/switching.test.ts'
