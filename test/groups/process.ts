/** The process from within: its settings, its clock, its log and its claim of the database. */
import '../clock.test.ts'
import '../config.test.ts'
import '../groups.test.ts'
import '../process/claim.test.ts'
import '../process/draining.test.ts'
import '../process/log-format.test.ts'
