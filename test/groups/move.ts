/** All that one database has, brought to another. */
import '../scripts/move.test.ts'
