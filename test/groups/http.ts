/** Sockets, and what holds the event loop. */
import '../linear-time.test.ts'
import '../plugins/http.test.ts'
