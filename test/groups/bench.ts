/** The benchmarks in their short form. */
import '../bench/bench.test.ts'
import '../bench/catalogue.test.ts'
import '../bench/searches.test.ts'
