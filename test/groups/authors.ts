/** Authors, on the wire. */
import '../routes/authors.test.ts'
import '../routes/finding.test.ts'
import '../routes/folding.test.ts'
import '../routes/history.test.ts'
import '../routes/numbers.test.ts'
import '../routes/purging.test.ts'
import '../routes/service.test.ts'
import '../routes/writes.test.ts'
