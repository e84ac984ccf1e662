/** The command line itself, and what it brings into a catalogue. */
import '../scripts/authors.test.ts'
import '../scripts/library.test.ts'
import '../scripts/package.test.ts'
import '../scripts/seed.test.ts'
