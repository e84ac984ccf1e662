/** The long harnesses in their short form: what is killed or attacked. */
import '../scripts/crashtest.test.ts'
import '../scripts/migrationtest.test.ts'
import '../scripts/retrytest.test.ts'
import '../scripts/soak.test.ts'
