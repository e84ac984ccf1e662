import { existsSync, globSync } from 'node:fs'
import path from 'node:path'

const NEEDED = ['pg_dump', 'pg_restore', 'initdb', 'postgres']

/** The folder with all programs of a PostgreSQL: where Debian has them, or where TEST_POSTGRES_PROGRAMS says that they are. */
export const POSTGRES_PROGRAMS = [
  process.env.TEST_POSTGRES_PROGRAMS ?? '',
  ...globSync('/usr/lib/postgresql/*/bin').sort().reverse()
].find((folder) => NEEDED.every((name) => existsSync(path.join(folder, name))))
