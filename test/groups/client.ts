/** The command line that speaks to a service. */
import '../client.test.ts'
import '../scripts/client/account.test.ts'
import '../scripts/client/exporting.test.ts'
import '../scripts/client/importing.test.ts'
import '../scripts/client/progress.test.ts'
import '../scripts/client/refused-file.test.ts'
import '../scripts/client/report.test.ts'
