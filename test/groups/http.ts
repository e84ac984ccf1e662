/** Sockets, and what they keep in memory. */
import '../plugins/http.test.ts'
