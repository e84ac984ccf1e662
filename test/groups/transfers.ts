/** Imports and exports. */
// First, for of each kind of threads in a process the first two count as covered.
import '../plugins/row-reader.test.ts'
import '../plugins/importer.test.ts'
import '../plugins/instances.test.ts'
import '../routes/import-reports.test.ts'
import '../routes/imports.test.ts'
import '../routes/transfers.test.ts'
