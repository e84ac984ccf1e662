/** The long harnesses in their short form: what is asked and found. */
import '../fuzz.test.ts'
import '../scripts/searchtest.test.ts'
import '../scripts/wirerecord.test.ts'
