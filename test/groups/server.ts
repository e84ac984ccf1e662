/** The process from outside: its start and its end. */
import '../server.test.ts'
