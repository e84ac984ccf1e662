/** PostgreSQL servers that end, switch and are set back, mostly waiting. */
import '../db/postgres/fitness.test.ts'
import '../db/postgres/switching.test.ts'
import '../db/postgres/tls.test.ts'
