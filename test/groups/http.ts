/** Sockets, and what they keep in memory. */
import '../logs.test.ts'
import '../plugins/http.test.ts'
import '../tracing.test.ts'
