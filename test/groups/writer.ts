/** The writer thread. */
import '../db/writer/faults.test.ts'
import '../db/writer/model.test.ts'
import '../db/writer/processes.test.ts'
import '../db/writer/sick-disk.test.ts'
import '../db/writer/thread.test.ts'
