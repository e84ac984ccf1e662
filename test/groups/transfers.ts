/** Imports and exports. */
import '../routes/import-reports.test.ts'
import '../routes/imports.test.ts'
import '../routes/transfers.test.ts'
