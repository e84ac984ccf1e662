/** Several processes that serve together. */
import '../cluster.test.ts'
import '../scripts/racetest.test.ts'
