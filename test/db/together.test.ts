/** Calls that come together share statements, and are answered as if they had come one after the other. */
import * as fc from 'fast-check'
import type { Test } from 'tap'
import {
  type AnswerForm,
  type Call,
  type CallerCredential,
  COMMANDS,
  callOf,
  loadCommands
} from '../../db/command.ts'
import { createApiKey } from '../../db/commands/api-keys.ts'
import { createAuthor, deleteAuthor, patchAuthor } from '../../db/commands/authors.ts'
import { openSession } from '../../db/commands/sessions.ts'
import { changeUser, registerUser } from '../../db/commands/users.ts'
import { type Database, openDatabase } from '../../db/database.ts'
import { sqlOf } from '../../db/engine.ts'
import { Problem } from '../../db/problems.ts'
import type { Tables } from '../../db/tables.ts'
import { Groups, runTogether } from '../../db/together.ts'
import type { Role } from '../../db/users.ts'
import { newDatabase, test } from '../engines.ts'
import { openDirectly } from '../helpers.ts'

const PEOPLE = ['one', 'other'] as const
/** Has no session. */
const STRANGER: CallerCredential = { id: 'nobody', role: 'admin', sessionId: 'none' }

/** `machine` has an API key of the first user. */
type Who = (typeof PEOPLE)[number] | 'machine' | 'stranger'

/** What is asked for; a number stands for one of few texts, and `fresh` for one that nobody else has. */
type Step =
  | {
      do: 'create'
      who: Who
      name: Text
      book: Text
      viaf: Text | null
      birth: number
      death: number
      key: Text | null
      request: number
    }
  | { do: 'patch' | 'delete'; who: Who; name: number; book: number; key: number | null; request: number }
  | { do: 'change'; who: Who; role: Role }
type Text = number | 'fresh'

const few = fc.nat({ max: 3 })
const who = fc.constantFrom<Who>(
  ...Array(10).fill(['one', 'other', 'one', 'other', 'machine']).flat(),
  'stranger'
)
const mostlyFresh = fc.oneof(
  { weight: 7, arbitrary: fc.constant('fresh' as const) },
  { weight: 1, arbitrary: few }
)
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 2 })
const creation: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('create' as const),
  who,
  name: mostlyFresh,
  book: fc.oneof(fc.constant('fresh' as const), few),
  viaf: maybe(mostlyFresh),
  birth: fc.constantFrom(1900, 1900, 1900, 1901),
  death: fc.constantFrom(1950, 1950, 1950, 1950, 1950, 1899),
  key: maybe(mostlyFresh),
  request: fc.nat({ max: 1 })
})
const edit: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom('patch' as const, 'delete' as const),
  who,
  name: few,
  book: few,
  key: maybe(few),
  request: fc.nat({ max: 1 })
})
const change: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('change' as const),
  who,
  role: fc.constantFrom<Role>('editor', 'editor', 'reader', 'admin')
})
const program = fc.array(
  fc.oneof(
    { weight: 40, arbitrary: creation },
    { weight: 4, arbitrary: edit },
    { weight: 2, arbitrary: change }
  ),
  { minLength: 10, maxLength: 40 }
)

const FAR = '9999-01-01T00:00:00.000Z'
let texts = 0
const textOf = (text: Text, what: string) => `${what} ${text === 'fresh' ? `fresh ${++texts}` : text}`

/** Makes calls for the same people in several databases. */
async function signUp(databases: Database[]): Promise<Record<Who, CallerCredential>> {
  const runAll = (call: Call) => Promise.all(databases.map((database) => database.run(call)))
  const signedUp = PEOPLE.map(async (username): Promise<[string, CallerCredential]> => {
    const registration = callOf(registerUser, { username, passwordHash: username })
    const { id } = registration.stamp
    await runAll(registration)
    const session = callOf(openSession, {
      userId: id,
      passwordHash: username,
      userAgent: null,
      familyHash: 'family',
      refreshHash: 'refresh',
      idleExpiresAt: FAR,
      expiresAt: FAR
    })
    await runAll(session)
    return [username, { id, role: 'admin', sessionId: session.stamp.id }]
  })
  const people = Object.fromEntries(await Promise.all(signedUp)) as Record<Who, CallerCredential>
  const key = { name: 'machine', scope: 'write', keyHash: 'hash', expiresAt: null } as const
  await runAll(callOf(createApiKey, key, people.one))
  return {
    ...people,
    machine: { id: people.one.id, role: 'editor', keyHash: key.keyHash },
    stranger: STRANGER
  }
}

function toCall(step: Step, people: Record<Who, CallerCredential>): Call {
  const person = people[step.who]
  if (step.do === 'change') {
    return { ...callOf(changeUser, { userId: person.id, role: step.role }), operator: 'root' }
  }
  if (step.do !== 'create') {
    const target = { idOrSlug: `name-${step.name}`, preconditions: {} }
    const patch = { book: `Book ${step.book}` }
    return step.do === 'delete'
      ? callOf(deleteAuthor, target, person, formOf(204, null, 0))
      : callOf(patchAuthor, { ...target, patch }, person, formOf(200, step.key, step.request))
  }
  const { name, book, viaf, birth, death, key, request } = step
  const content = {
    name: textOf(name, 'Name'),
    book: textOf(book, 'Book'),
    birth_year: birth,
    death_year: death,
    identifiers: viaf === null ? {} : { viaf: textOf(viaf, 'viaf') }
  }
  return callOf(createAuthor, { content }, person, formOf(201, key, request))
}

function formOf(status: AnswerForm['status'], key: Text | null, request: number): AnswerForm {
  const once = key === null ? undefined : { key: textOf(key, 'key'), fingerprint: `request ${request}` }
  return { status, preferred: undefined, once }
}

const SET_BACK_MS = 1_200_000

/** Of several clocks ids do not come in their order, and one may be set back by a lot. */
function inAnyOrder(calls: Call[]): Call[] {
  let ids = calls.map(({ stamp }) => stamp.id)
  if (calls.length % 2 === 0) ids.reverse()
  if (calls.length % 5 === 0) ids = ids.map((id, index) => (index > 10 ? earlier(id, SET_BACK_MS) : id))
  return calls.map((call, index) => ({ ...call, stamp: { ...call.stamp, id: ids[index] as string } }))
}

function earlier(id: string, ms: number): string {
  const time = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) - ms
  return (
    time
      .toString(16)
      .padStart(12, '0')
      .replace(/^(.{8})/, '$1-') + id.slice(13)
  )
}

async function outcomeOf(answer: Promise<unknown>): Promise<unknown> {
  try {
    return (await answer) ?? null
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { code: error.code, details: error.details, extras: error.extras }
  }
}

const TABLES = {
  authors: 'number',
  changes: 'sequence',
  idempotency_keys: 'id'
} as const satisfies Partial<Record<keyof Tables, string>>

async function contentsOf(t: Test, url: string): Promise<unknown> {
  const db = openDirectly(t, url)
  const rows = Object.entries(TABLES).map(([table, order]) =>
    db
      .selectFrom(table as 'authors')
      .selectAll()
      .orderBy(order as 'number')
      .execute()
  )
  const { matchOf, listMatches } = sqlOf(db)
  const found = ['fresh', 'name', '0', '1'].map(async (term) =>
    listMatches(db, await matchOf(db, { terms: [term], prefixes: [] }), { after: 0, limit: 1e6 })
  )
  return Promise.all([...rows, ...found])
}

test('calls that come together are answered as if one had come after the other', async (t) => {
  await loadCommands([COMMANDS])
  const urls = [await newDatabase(t), await newDatabase(t)] as const
  let batches = 0
  let calls = 0
  const together = await openDatabase(urls[0], {
    signal: (event) => {
      if (event.event !== 'batch') return
      batches += 1
      calls += event.calls
    }
  })
  const apart = await openDatabase(urls[1])
  t.teardown(() => together.close())
  t.teardown(() => apart.close())
  const people = await signUp([together, apart])
  const codes = new Set<string>()
  const holds = async (steps: Step[]) => {
    const asked = inAnyOrder(steps.map((step) => toCall(step, people)))
    const outcomes = await Promise.all(asked.map((call) => outcomeOf(together.run(call))))
    for (const [index, call] of asked.entries()) {
      const alone = await outcomeOf(apart.run(call))
      t.strictSame(outcomes[index], alone, JSON.stringify(steps[index]))
      codes.add((alone as { code?: string } | null)?.code ?? 'done')
    }
  }
  await fc.assert(fc.asyncProperty(program, holds), { numRuns: 60, endOnFailure: true })
  t.strictSame(await contentsOf(t, urls[0]), await contentsOf(t, urls[1]), 'and leave the same behind')
  t.ok(calls > 2 * batches, `${calls} calls came in ${batches} batches`)
  for (const code of [
    'done',
    'AUTHOR_EXISTS',
    'IDENTIFIER_TAKEN',
    'IDEMPOTENCY_KEY_REUSED',
    'VALIDATION_FAILED',
    'ROLE_REQUIRED',
    'INVALID_TOKEN'
  ])
    t.ok(codes.has(code), code)
})

test('those before the first that is special are run together', async (t) => {
  await loadCommands([COMMANDS])
  const url = await newDatabase(t)
  const database = await openDatabase(url)
  t.teardown(() => database.close())
  const people = await signUp([database])
  const db = openDirectly(t, url)
  const done = async (steps: Partial<Extract<Step, { do: 'create' }>>[]) => {
    const plain = {
      do: 'create',
      who: 'one',
      name: 'fresh',
      book: 'fresh',
      viaf: null,
      birth: 1900,
      death: 1950,
      key: null,
      request: 0
    } as const
    const calls = steps.map((step) => toCall({ ...plain, ...step }, people))
    return db.transaction().execute(async (trx) => (await runTogether(trx, calls)).length)
  }
  t.equal(
    await done([{ name: 0 }, {}, { who: 'other' }, { viaf: 'fresh', key: 'fresh' }, { key: 0, viaf: 0 }]),
    5
  )
  t.equal(await done([{}, {}, { name: 0 }, {}]), 2, 'a slug that an author has')
  t.equal(await done([{}, { name: 1 }, { name: 1 }, {}]), 2, 'a slug that one before it has')
  t.equal(await done([{}, { viaf: 0 }]), 1, 'an identifier that an author has')
  t.equal(await done([{ viaf: 1 }, { viaf: 1 }]), 1, 'an identifier that one before it has')
  t.equal(await done([{}, { birth: 1901, death: 1900 }, {}]), 1, 'a death before the birth')
  t.equal(await done([{}, {}, {}, { key: 0 }]), 3, 'a key that was used')
  t.equal(
    await done([{ key: 1 }, { key: 1, who: 'other' }, { key: 1 }]),
    2,
    'a key that the same user has used before it'
  )
  await database.run({ ...callOf(changeUser, { userId: people.other.id, role: 'reader' }), operator: 'root' })
  t.equal(await done([{}, { who: 'other' }]), 1, 'somebody who may not')
  t.equal(await done([{ who: 'other' }, {}]), 0)
})

test('groups are small after what was special, and grow again', async (t) => {
  await loadCommands([COMMANDS])
  const form = { status: 201, preferred: undefined, once: undefined } as const
  const create = () => callOf(createAuthor, { content: { name: 'Any' } }, undefined, form)
  const other = callOf(deleteAuthor, { idOrSlug: 'any', preconditions: {} }, undefined, form)
  const calls = [...Array.from({ length: 50 }, create), other, create(), create()]
  const groups = new Groups()
  const sizeAt = (index: number, end = calls.length) => groups.at(calls, index, end).length
  t.equal(sizeAt(0), 50)
  t.equal(sizeAt(0, 7), 7, 'no more than a batch may have')
  t.equal(sizeAt(40), 10, 'of one command only')
  t.equal(sizeAt(50), 1)
  groups.note(5, 50)
  t.strictSame(
    [1, 2, 4, 8, 16, 32, 50].map((expected) => {
      const size = sizeAt(0)
      groups.note(size, size)
      return size === expected
    }),
    Array(7).fill(true)
  )
  const withoutForm = callOf(createAuthor, { content: { name: 'Any' } })
  t.equal(groups.at([withoutForm, withoutForm], 0, 2).length, 1, 'whose outputs are no answers')
})
