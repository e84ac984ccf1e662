/** What is moved: the tables, in an order in which no row refers to one that comes later, and the key in whose order rows are read. */
export interface MovedTable {
  name: string
  key: readonly string[]
  /** Whether the database gives its numbers, none of them twice. */
  isNumbered?: boolean
}

export const AUTHORS: MovedTable = { name: 'authors', key: ['number'] }
export const CHANGES: MovedTable = { name: 'changes', key: ['sequence'] }

export const MOVED_TABLES: readonly MovedTable[] = [
  { name: 'users', key: ['number'], isNumbered: true },
  { name: 'former_users', key: ['number'] },
  { name: 'sessions', key: ['id'] },
  { name: 'api_keys', key: ['id'] },
  { name: 'password_resets', key: ['user_number'] },
  { name: 'account_deletions', key: ['user_number'] },
  { name: 'idempotency_keys', key: ['id'], isNumbered: true },
  { name: 'rate_limits', key: ['key'] },
  { name: 'account_log', key: ['user_number', 'entry'] },
  { name: 'account_changes', key: ['sequence'], isNumbered: true },
  AUTHORS,
  CHANGES
]
