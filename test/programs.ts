import { existsSync, globSync } from 'node:fs'
import path from 'node:path'

const NEEDED = ['pg_dump', 'pg_restore', 'initdb', 'postgres']

/** The folder with all programs of a PostgreSQL: where Debian has them, or where TEST_POSTGRES_PROGRAMS says that they are. */
export const POSTGRES_PROGRAMS = [
  process.env.TEST_POSTGRES_PROGRAMS ?? '',
  ...globSync('/usr/lib/postgresql/*/bin').sort().reverse()
].find((folder) => NEEDED.every((name) => existsSync(path.join(folder, name))))

const BY_PROGRAMS = ['copies', 'programs', 'restoring', 'scratch'].map(
  (name) => `db/postgres/backups/${name}.ts`
)

/** Whether only programs that are missing here run this file of the service: the tests of backups on a server are skipped then. */
export const isLeftOut = (file: string) => POSTGRES_PROGRAMS === undefined && BY_PROGRAMS.includes(file)
