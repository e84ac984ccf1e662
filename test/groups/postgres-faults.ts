/** What happens to connections to PostgreSQL, mostly waiting. */
import '../db/postgres/faults.test.ts'
