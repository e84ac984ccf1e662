/** Passwords, tokens, keys, and how often they may be tried. */
import '../plugins/access-tokens.test.ts'
import '../plugins/passwords.test.ts'
import '../plugins/rate-limits.test.ts'
import '../plugins/rate-limits/instances.test.ts'
import '../plugins/signing-keys.test.ts'
import '../plugins/signing-keys/key-file.test.ts'
import '../plugins/signing-keys/key-set.test.ts'
import '../plugins/signing-keys/keys-in-database.test.ts'
