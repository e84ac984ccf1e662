/** What is written about the service, and what others make of it. */
import '../docs.test.ts'
import '../openapi.test.ts'
import '../operations.test.ts'
import '../openapi-readers.test.ts'
import '../postman.test.ts'
import '../readme.test.ts'
import '../security.test.ts'
