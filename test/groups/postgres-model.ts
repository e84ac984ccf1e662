/** Several instances on one PostgreSQL, in any order of events. */
import '../db/postgres/feed.test.ts'
import '../db/postgres/model.test.ts'
import '../db/postgres/pooler.test.ts'
import '../db/postgres/server-url.test.ts'
