/** The long harnesses in their short form: what is asked and found, and how long it takes. */
import '../fuzz.test.ts'
import '../linear-time.test.ts'
import '../scripts/searchtest.test.ts'
import '../scripts/years.test.ts'
import '../scripts/wirerecord.test.ts'
