import { type Kysely, sql } from 'kysely'

/**
 * What refers to a user or an author does so by a number, and each thing is stored once: an author's JSON has all that its columns
 * do not need for themselves, the log has only versions that are past, and words are in the engine's full-text index.
 */
const TABLES = [
  `create table users (
    number integer primary key autoincrement,
    id text not null unique,
    username text not null,
    username_key text not null unique,
    username_skeleton text,
    password_hash text not null,
    created_at text not null,
    role text not null default 'editor' check (role in ('reader', 'editor', 'admin')),
    disabled_at text
  ) strict`,
  'create unique index users_username_skeleton on users (username_skeleton)',

  `create table former_users (
    number integer primary key,
    id text not null unique
  ) strict`,

  `create table sessions (
    id text primary key not null,
    user_number integer not null references users (number) on delete cascade,
    user_agent text,
    created_at text not null,
    last_used_at text not null,
    idle_expires_at text not null,
    expires_at text not null,
    ended_at text,
    end_reason text,
    family_hash text not null,
    refresh_hash text not null,
    previous_hash text,
    rotation_salt text,
    rotated_at text
  ) strict`,
  'create index sessions_user on sessions (user_number, id)',
  `create index sessions_over on sessions (
    (case when ended_at < idle_expires_at then ended_at else idle_expires_at end)
  )`,

  `create table api_keys (
    id text primary key not null,
    user_number integer not null references users (number) on delete cascade,
    name text not null,
    scope text not null check (scope in ('read', 'write')),
    key_hash text not null unique,
    created_at text not null,
    expires_at text,
    last_used_at text
  ) strict`,
  'create index api_keys_user on api_keys (user_number, id)',

  `create table password_resets (
    user_number integer primary key references users (number) on delete cascade,
    code_hash text not null,
    expires_at text not null
  ) strict`,

  `create table account_deletions (
    user_number integer primary key references users (number) on delete cascade,
    actor_number integer not null,
    begun_at text not null
  ) strict`,

  `create table idempotency_keys (
    id integer primary key,
    user_number integer not null references users (number) on delete cascade,
    key text not null,
    fingerprint text not null,
    status integer not null,
    headers text not null,
    body text,
    created_at text not null,
    constraint idempotency_keys_key unique (user_number, key)
  ) strict`,

  `create table authors (
    number integer primary key,
    id text not null unique,
    slug text not null unique,
    name text generated always as (record ->> 'name') virtual,
    book text generated always as (record ->> 'book') virtual,
    country text generated always as (record ->> 'country') virtual,
    booker_prize integer not null check (booker_prize in (0, 1)),
    birth_year integer,
    death_year integer generated always as (record ->> 'death_year') virtual,
    viaf text,
    isni text,
    wikidata text,
    openlibrary text,
    note text generated always as (record ->> 'note') virtual,
    owner_number integer references users (number) on delete set null,
    version integer not null,
    created_at text generated always as (record ->> 'created_at') virtual,
    updated_at text not null,
    name_key text not null,
    book_key text not null,
    birth_key integer generated always as (coalesce(birth_year, 9999)) virtual,
    record text not null,
    constraint authors_name_book_unique unique (name_key, book_key)
  ) strict`,
  'create index authors_name on authors (name_key)',
  'create index authors_updated on authors (updated_at)',
  'create index authors_birth on authors (birth_key)',
  'create index authors_owner on authors (owner_number)',
  ...['viaf', 'isni', 'wikidata', 'openlibrary'].map(
    (scheme) =>
      `create unique index authors_${scheme}_unique on authors (${scheme}) where ${scheme} is not null`
  ),

  `create virtual table author_words using fts5 (
    words, content = '', contentless_delete = 1, detail = none, prefix = '1 2 3', tokenize = 'ascii'
  )`,
  // The terms of the index, by which the beginning of a word becomes whole words.
  "create virtual table author_terms using fts5vocab ('author_words', 'row')",

  `create table changes (
    sequence integer primary key,
    author_number integer not null,
    version integer not null,
    actor_number integer,
    at text not null,
    operation text not null
      check (operation in ('created', 'replaced', 'patched', 'deleted', 'restored', 'disowned')),
    before text,
    deleted_id text generated always as (case operation when 'deleted' then before ->> 'id' end) virtual,
    deleted_slug text generated always as (case operation when 'deleted' then before ->> 'slug' end) virtual,
    constraint changes_author_version_unique unique (author_number, version)
  ) strict`,
  'create index changes_deleted_id on changes (deleted_id) where deleted_id is not null',
  'create index changes_deleted_slug on changes (deleted_slug, sequence) where deleted_slug is not null'
]

/** The id of the user of a row, who may be on the way out. */
const USER_ID = `coalesce(
    (select id from users where number = old.user_number),
    (select id from former_users where number = old.user_number)
  )`

/** What the log of changes of accounts is written by, as before, and what keeps the ids of users who are gone. */
const TRIGGERS = [
  [
    'users_changed',
    'after update of role, disabled_at on users when old.role is not new.role or old.disabled_at is not new.disabled_at',
    'old.id'
  ],
  ['users_deleted', 'after delete on users', 'old.id'],
  [
    'sessions_changed',
    `after update of user_number, ended_at, expires_at on sessions
    when old.user_number is not new.user_number
      or old.ended_at is not new.ended_at or old.expires_at is not new.expires_at`,
    USER_ID
  ],
  ['sessions_deleted', 'after delete on sessions when old.ended_at is null', USER_ID],
  ['api_keys_changed', 'after update of user_number, scope, key_hash, expires_at on api_keys', USER_ID],
  ['api_keys_deleted', 'after delete on api_keys', USER_ID]
].map(
  ([name, event, user]) => `create trigger ${name} ${event}
    begin insert into account_changes (user_id) values (${user}); end`
)

const KEEP_ID = `create trigger users_former before delete on users
  begin insert into former_users (number, id) values (old.number, old.id); end`

/** What a database of the migration before this one has in their place, as its migrations leave it. */
const OLD_TABLES = {
  users: `"id" text not null primary key, "username" text not null, "username_key" text not null unique, "password_hash" text not null, "created_at" text not null, "role" text default 'editor' not null check (role in ('reader', 'editor', 'admin')), "disabled_at" text, "username_skeleton" text) strict`,
  authors: `"id" text not null primary key, "slug" text not null unique, "name" text not null, "book" text not null, "country" text not null, "booker_prize" integer not null check (booker_prize in (0, 1)), "birth_year" integer, "death_year" integer, "viaf" text, "isni" text, "wikidata" text, "openlibrary" text, "note" text, "owner_id" text references "users" ("id") on delete set null, "version" integer not null, "created_at" text not null, "updated_at" text not null, "name_key" text not null, "book_key" text not null, "country_key" text default '' not null, "words" text default '' not null, "birth_key" integer default 9999 not null, "record" text default '' not null, constraint "authors_name_book_unique" unique ("name_key", "book_key")) strict`,
  sessions: `"id" text not null primary key, "user_id" text not null references "users" ("id") on delete cascade, "user_agent" text, "created_at" text not null, "last_used_at" text not null, "idle_expires_at" text not null, "expires_at" text not null, "ended_at" text, "end_reason" text, "family_hash" text not null, "refresh_hash" text not null, "previous_hash" text, "rotation_salt" text, "rotated_at" text) strict`,
  api_keys: `"id" text not null primary key, "user_id" text not null references "users" ("id") on delete cascade, "name" text not null, "scope" text not null check (scope in ('read', 'write')), "key_hash" text not null unique, "created_at" text not null, "expires_at" text, "last_used_at" text) strict`,
  password_resets: `"user_id" text not null primary key references "users" ("id") on delete cascade, "code_hash" text not null, "expires_at" text not null) strict`,
  author_words: `"word" text not null, "author_id" text not null, constraint "author_words_key" primary key ("word", "author_id")) strict, without rowid`,
  changes: `"sequence" integer primary key autoincrement, "author_id" text not null, "version" integer not null, "actor_id" text, "at" text not null, "operation" text not null check (operation in ('created', 'replaced', 'patched', 'deleted', 'restored', 'disowned')), "record" text, "deleted_slug" text, constraint "changes_author_version_unique" unique ("author_id", "version")) strict`,
  idempotency_keys: `"id" integer primary key, "user_id" text not null references "users" ("id") on delete cascade, "key" text not null, "fingerprint" text not null, "status" integer not null, "headers" text not null, "body" text, "created_at" text not null, constraint "idempotency_keys_key" unique ("user_id", "key")) strict`,
  account_deletions: `"user_id" text not null primary key references "users" ("id") on delete cascade, "actor_id" text not null, "begun_at" text not null) strict`
}

const OLD_INDEXES = [
  'create unique index "authors_viaf_unique" on "authors" ("viaf") where "viaf" is not null',
  'create unique index "authors_isni_unique" on "authors" ("isni") where "isni" is not null',
  'create unique index "authors_wikidata_unique" on "authors" ("wikidata") where "wikidata" is not null',
  'create unique index "authors_openlibrary_unique" on "authors" ("openlibrary") where "openlibrary" is not null',
  'create index "authors_owner" on "authors" ("owner_id", "id")',
  'create index "authors_country" on "authors" ("country_key", "id")',
  'create index "authors_name" on "authors" ("name_key", "id")',
  'create index "authors_updated" on "authors" ("updated_at", "id")',
  'create index "authors_birth" on "authors" ("birth_key", "id")',
  'create index "authors_booker_prize" on "authors" ("id") where "booker_prize" = 1',
  'create index "changes_deleted_slug" on "changes" ("deleted_slug", "sequence") where "deleted_slug" is not null',
  'create index "sessions_user" on "sessions" ("user_id", "id")',
  `create index sessions_over on sessions (
      (case when ended_at < idle_expires_at then ended_at else idle_expires_at end)
    )`,
  'create index "api_keys_user" on "api_keys" ("user_id", "id")',
  'create unique index "users_username_skeleton" on "users" ("username_skeleton")'
]

const OLD_TRIGGERS = Object.entries({
  users_changed: `after update of role, disabled_at on users
    when old.role is not new.role or old.disabled_at is not new.disabled_at
        begin insert into account_changes (user_id) values (old.id); end`,
  users_deleted: `after delete on users
        begin insert into account_changes (user_id) values (old.id); end`,
  sessions_changed: `after update of user_id, ended_at, expires_at on sessions
    when old.user_id is not new.user_id or old.ended_at is not new.ended_at or old.expires_at is not new.expires_at
        begin insert into account_changes (user_id) values (old.user_id); end`,
  sessions_deleted: `after delete on sessions when old.ended_at is null
        begin insert into account_changes (user_id) values (old.user_id); end`,
  api_keys_changed: `after update of user_id, scope, key_hash, expires_at on api_keys
        begin insert into account_changes (user_id) values (old.user_id); end`,
  api_keys_deleted: `after delete on api_keys
        begin insert into account_changes (user_id) values (old.user_id); end`
}).map(([name, trigger]) => `create trigger ${name} ${trigger}`)

/** In an order in which no row refers to one that is dropped already. */
const NEW_NAMES = [
  'author_terms',
  'author_words',
  'changes',
  'authors',
  'idempotency_keys',
  'account_deletions',
  'password_resets',
  'api_keys',
  'sessions',
  'former_users',
  'users'
]
const OLD_NAMES = NEW_NAMES.filter((name) => name in OLD_TABLES)
/** But for the one that only shows another. */
const NEW_NAMES_WITH_ROWS = NEW_NAMES.filter((name) => name !== 'author_terms')

/** Of a database without rows in these tables: one with rows is copied to a new file. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await refuseRows(db, OLD_NAMES)
  await run(db, [...OLD_NAMES.map(toDrop), ...TABLES, ...TRIGGERS, KEEP_ID])
}

/** The same the other way. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await refuseRows(db, NEW_NAMES_WITH_ROWS)
  await run(db, [...NEW_NAMES.map(toDrop), ...OLD_STATEMENTS, ...OLD_INDEXES, ...OLD_TRIGGERS])
}

const OLD_STATEMENTS = Object.entries(OLD_TABLES).map(
  ([name, columns]) => `create table "${name}" (${columns}`
)

const toDrop = (table: string) => `drop table ${table}`

async function refuseRows(db: Kysely<unknown>, tables: string[]): Promise<void> {
  for (const table of tables) {
    const { rows } = await sql.raw(`select 1 from ${table} limit 1`).execute(db)
    if (rows.length > 0) throw new Error(`The table "${table}" has rows, which this would lose.`)
  }
}

async function run(db: Kysely<unknown>, statements: string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

/** What follows is how the rows of a database get to a new file. There the old file is the schema `old`, the new one `new`. */

const MARKED_LETTER = /([\p{Script=Latin}\p{Script=Greek}])\p{M}+/gu
const ASCII = /^[ -~]*$/
const WORD = /[\p{L}\p{M}\p{N}]+/gu
const NEITHER_LETTER_NOR_DIGIT = /[^\p{L}\p{M}\p{N}]/gu

function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase().replace(/ +/g, ' ').trim()
  return text
    .normalize('NFKD')
    .replace(MARKED_LETTER, '$1')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFC')
    .replace(/\s+/gu, ' ')
    .trim()
}

function wordsOf(...texts: string[]): string[] {
  return [...new Set(texts.flatMap((text) => fold(text).replaceAll('ς', 'σ').match(WORD) ?? []))]
}

/** The words of an author, and what filters look for, which private-use characters keep apart from words. */
function terms(name: string, book: string, country: string, bookerPrize: number): string {
  const countryTerm = fold(country).replace(
    NEITHER_LETTER_NOR_DIGIT,
    (character) => `\uE001${character.codePointAt(0)?.toString(16)}\uE002`
  )
  const prizeTerm = bookerPrize === 1 ? ['\uE003'] : []
  return [...wordsOf(name, book, country), `\uE000${countryTerm}`, ...prizeTerm].join(' ')
}

const isIndex = (statement: string) => /^create (unique )?index/.test(statement)

/** Each in one piece, by itself. */
function wholeSteps(name: string, weight: number, statements: string[]) {
  return statements.map((statement) => ({ name, weight, statements: [statement] }))
}

const SMALL_TABLES = [
  'users',
  'sessions',
  'api_keys',
  'password_resets',
  'account_deletions',
  'idempotency_keys'
]

/** Queries that find something when a table has lost rows. */
function lostRows(tables: string[]): [string, string][] {
  return tables.map((table) => [
    `rows of "${table}" are missing`,
    `select 1 where (select count(*) from old.${table}) <> (select count(*) from new.${table})`
  ])
}

const LAST_CHANGE = 'select * from old.changes order by sequence desc limit 1'
const LAST_SEQUENCE = 'select max(sequence) from old.changes'
const SESSION_COLUMNS = `user_agent, created_at, last_used_at, idle_expires_at, expires_at, ended_at, end_reason,
  family_hash, refresh_hash, previous_hash, rotation_salt, rotated_at`
const KEY_COLUMNS = 'name, scope, key_hash, created_at, expires_at, last_used_at'
const ANSWER_COLUMNS = 'key, fingerprint, status, headers, body, created_at'
const USER_COLUMNS =
  'id, username, username_key, username_skeleton, password_hash, created_at, role, disabled_at'

const SCHEME_COLUMNS = 'viaf, isni, wikidata, openlibrary'

/** Numbers and ids of users and authors, also of those that are gone. */
const WORK_TABLES = [
  'create table work_users (number integer primary key, id text not null unique) strict',
  'create table work_authors (number integer primary key, id text not null unique) strict'
]

export const rebuildUp = {
  // The log grows with every change of an author; the numbers of users follow from their ids.
  state: [LAST_CHANGE, 'select id from old.users order by id', 'select actor_id from old.account_deletions'],
  growth: 1,
  holders: OLD_NAMES,
  replaced: OLD_NAMES,
  functions: { terms },
  needs: [
    [
      'an author is not what the log says of its last change',
      `select 1 from old.authors a left join old.changes c on c.author_id = a.id and c.version = a.version
      where c.record is not a.record`
    ],
    [
      'an author is gone without a deletion in the log',
      `select 1 from (select distinct author_id from old.changes) c
      where not exists (select 1 from old.authors where id = c.author_id)
        and not exists (select 1 from old.changes where author_id = c.author_id and operation = 'deleted')`
    ]
  ],
  tables: [...TABLES.filter((statement) => !isIndex(statement)), ...WORK_TABLES],
  steps: [
    ...wholeSteps('numbers', 1, [
      `insert into new.work_users (id) select id from (
        select id, 0 as is_former from old.users
        union all select id, 1 from (
          select actor_id as id from old.changes where actor_id is not null
          union select actor_id from old.account_deletions
        ) where id not in (select id from old.users)
      ) order by is_former, id`,
      'insert into new.work_authors (id) select distinct author_id from old.changes order by 1'
    ]),
    {
      name: 'authors',
      weight: 25,
      last: 'select count(distinct author_id) from old.changes',
      statements: [
        `insert into new.authors (number, id, slug, booker_prize, birth_year, ${SCHEME_COLUMNS}, owner_number, version,
          updated_at, name_key, book_key, record)
        select w.number, a.id, a.slug, a.booker_prize, a.birth_year, ${SCHEME_COLUMNS}, u.number, a.version,
          a.updated_at, a.name_key, a.book_key, a.record
        from new.work_authors w cross join old.authors a on a.id = w.id left join new.work_users u on u.id = a.owner_id
        where w.number > @after and w.number <= @upTo order by w.number`,
        `insert into new.author_words (rowid, words)
        select w.number, terms(a.name, a.book, a.country, a.booker_prize)
        from new.work_authors w cross join old.authors a on a.id = w.id
        where w.number > @after and w.number <= @upTo order by w.number`
      ]
    },
    {
      name: 'changes',
      weight: 5,
      last: LAST_SEQUENCE,
      // Of a deletion at least id and slug are needed, should the log lack the version before.
      statements: [
        `insert into new.changes (sequence, author_number, version, actor_number, at, operation, before)
        select c.sequence, w.number, c.version, u.number, c.at, c.operation,
          case when c.operation not in ('created', 'restored') then coalesce(p.record, case c.operation when 'deleted'
            then json_object('id', c.author_id, 'slug', c.deleted_slug) end) end
        from old.changes c join new.work_authors w on w.id = c.author_id
          left join new.work_users u on u.id = c.actor_id
          left join old.changes p on p.author_id = c.author_id and p.version = c.version - 1
        where c.sequence > @after and c.sequence <= @upTo order by c.sequence`
      ]
    },
    ...wholeSteps('indexes', 0.4, ['drop table new.work_authors', ...TABLES.filter(isIndex)]),
    ...wholeSteps('words', 1, ["insert into new.author_words (author_words) values ('optimize')"])
  ],
  last: [
    `insert into new.users (number, ${USER_COLUMNS})
    select w.number, u.* from new.work_users w join (select ${USER_COLUMNS} from old.users) u on u.id = w.id
    order by w.number`,
    'insert into new.former_users select * from new.work_users where id not in (select id from new.users)',
    // No number is given twice, also not that of a user who is gone.
    "delete from new.sqlite_sequence where name = 'users'",
    `insert into new.sqlite_sequence
    select 'users', max(number) from new.work_users having max(number) is not null`,
    `insert into new.sessions (id, user_number, ${SESSION_COLUMNS})
    select s.id, u.number, ${SESSION_COLUMNS.replaceAll('created_at', 's.created_at')}
    from old.sessions s join new.users u on u.id = s.user_id order by s.rowid`,
    `insert into new.api_keys (id, user_number, ${KEY_COLUMNS})
    select k.id, u.number, ${KEY_COLUMNS.replace('created_at', 'k.created_at')}
    from old.api_keys k join new.users u on u.id = k.user_id order by k.rowid`,
    `insert into new.password_resets
    select u.number, code_hash, expires_at from old.password_resets r join new.users u on u.id = r.user_id`,
    `insert into new.account_deletions
    select u.number, a.number, begun_at from old.account_deletions d
      join new.users u on u.id = d.user_id join new.work_users a on a.id = d.actor_id`,
    `insert into new.idempotency_keys (id, user_number, ${ANSWER_COLUMNS})
    select k.id, u.number, ${ANSWER_COLUMNS.replace('created_at', 'k.created_at')}
    from old.idempotency_keys k join new.users u on u.id = k.user_id order by k.id`,
    'drop table new.work_users',
    ...TRIGGERS,
    KEEP_ID
  ],
  checks: [
    ...lostRows([...SMALL_TABLES, 'authors', 'changes']),
    [
      'authors have no words',
      'select 1 where (select count(*) from new.author_words_docsize) <> (select count(*) from new.authors)'
    ],
    [
      'versions of authors are missing',
      `select 1 where (select count(*) from new.changes where before is not null) <
        (select count(*) from old.changes c join old.changes p on p.author_id = c.author_id
          and p.version = c.version - 1 and p.record is not null)`
    ]
  ]
}

export const rebuildDown = {
  state: [LAST_CHANGE],
  growth: 3.5,
  holders: NEW_NAMES_WITH_ROWS,
  replaced: [...NEW_NAMES, ...['data', 'idx', 'docsize', 'config'].map((part) => `author_words_${part}`)],
  functions: {
    fold,
    words: (name: string, book: string, country: string) =>
      wordsOf(name, book, country)
        .map((word) => ` ${word}`)
        .join(''),
    word_list: (name: string, book: string, country: string) => JSON.stringify(wordsOf(name, book, country))
  },
  needs: [],
  tables: [...OLD_STATEMENTS, ...WORK_TABLES],
  steps: [
    ...wholeSteps('numbers', 1, [
      'insert into new.work_users select number, id from old.users union all select number, id from old.former_users',
      `insert into new.work_authors
      select number, id from old.authors
      union select author_number, deleted_id from old.changes where deleted_id is not null order by 1`
    ]),
    {
      name: 'authors',
      weight: 19,
      last: 'select max(number) from old.authors',
      statements: [
        `insert into new.authors (id, slug, name, book, country, booker_prize, birth_year, death_year, ${SCHEME_COLUMNS},
          note, owner_id, version, created_at, updated_at, name_key, book_key, country_key, words, birth_key, record)
        select a.id, slug, name, book, country, booker_prize, birth_year, death_year, ${SCHEME_COLUMNS},
          note, u.id, version, created_at, updated_at, name_key, book_key, fold(country), words(name, book, country),
          coalesce(birth_year, 9999), record
        from old.authors a left join new.work_users u on u.number = a.owner_number
        where a.number > @after and a.number <= @upTo order by a.number`
      ]
    },
    {
      name: 'words',
      weight: 20,
      leastRows: 250_000,
      last: 'select max(number) from old.authors',
      statements: [
        `insert into new.author_words (word, author_id)
        select w.value, a.id from old.authors a cross join json_each(word_list(a.name, a.book, a.country)) w
        where a.number > @after and a.number <= @upTo order by 1, 2`
      ]
    },
    {
      name: 'changes',
      weight: 7,
      last: LAST_SEQUENCE,
      statements: [
        `insert into new.changes (sequence, author_id, version, actor_id, at, operation, record, deleted_slug)
        select c.sequence, w.id, c.version, u.id, c.at, c.operation,
          case when c.operation <> 'deleted' then coalesce(n.before, a.record) end, c.deleted_slug
        from old.changes c join new.work_authors w on w.number = c.author_number
          left join new.work_users u on u.number = c.actor_number
          left join old.changes n on n.author_number = c.author_number and n.version = c.version + 1
          left join old.authors a on a.number = c.author_number and a.version = c.version
        where c.sequence > @after and c.sequence <= @upTo order by c.sequence`
      ]
    },
    ...wholeSteps('indexes', 0.5, ['drop table new.work_authors', ...OLD_INDEXES])
  ],
  last: [
    `insert into new.users (${USER_COLUMNS}) select ${USER_COLUMNS} from old.users order by number`,
    `insert into new.sessions (id, user_id, ${SESSION_COLUMNS})
    select s.id, u.id, ${SESSION_COLUMNS.replaceAll('created_at', 's.created_at')}
    from old.sessions s join old.users u on u.number = s.user_number order by s.rowid`,
    `insert into new.api_keys (id, user_id, ${KEY_COLUMNS})
    select k.id, u.id, ${KEY_COLUMNS.replace('created_at', 'k.created_at')}
    from old.api_keys k join old.users u on u.number = k.user_number order by k.rowid`,
    `insert into new.password_resets
    select u.id, code_hash, expires_at from old.password_resets r join old.users u on u.number = r.user_number`,
    `insert into new.account_deletions
    select u.id, a.id, begun_at from old.account_deletions d
      join old.users u on u.number = d.user_number join new.work_users a on a.number = d.actor_number`,
    `insert into new.idempotency_keys (id, user_id, ${ANSWER_COLUMNS})
    select k.id, u.id, ${ANSWER_COLUMNS.replace('created_at', 'k.created_at')}
    from old.idempotency_keys k join old.users u on u.number = k.user_number order by k.id`,
    'drop table new.work_users',
    ...OLD_TRIGGERS
  ],
  checks: [
    ...lostRows([...SMALL_TABLES, 'authors', 'changes']),
    [
      'versions of authors are missing',
      `select 1 from new.changes where record is null and operation <> 'deleted'`
    ]
  ]
}
