/** Accounts and what they show, on the wire. */
import '../routes/account.test.ts'
import '../routes/account-deletion.test.ts'
import '../routes/administering.test.ts'
import '../routes/me.test.ts'
import '../routes/sessions.test.ts'
import '../routes/users.test.ts'
