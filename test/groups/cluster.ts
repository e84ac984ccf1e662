/** Several processes that serve together. */
import '../cluster.test.ts'
