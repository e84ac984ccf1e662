/** Imports and exports. */
import '../plugins/importer.test.ts'
import '../plugins/row-reader.test.ts'
import '../plugins/instances.test.ts'
import '../routes/import-reports.test.ts'
import '../routes/imports.test.ts'
import '../routes/transfers.test.ts'
