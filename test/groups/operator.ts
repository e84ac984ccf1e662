/** What keeps accounts, keys and the database. */
import '../scripts/check.test.ts'
import '../scripts/keys.test.ts'
import '../scripts/on-a-server.test.ts'
import '../scripts/user.test.ts'
