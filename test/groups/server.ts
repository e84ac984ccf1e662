/** The process: its settings, its clock, its start and its end. */
import '../clock.test.ts'
import '../config.test.ts'
import '../groups.test.ts'
import '../process/log-format.test.ts'
import '../server.test.ts'
