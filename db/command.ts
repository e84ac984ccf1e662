import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { uuidv7 } from 'uuidv7'
import type { Db } from './tables.ts'
import type { Role } from './users.ts'

/** Who asked for a command, as the door found them in the command's own transaction. */
export interface Actor {
  id: string
  /** As rows refer to them: see `UsersTable`. */
  number: number
  role: Role
}

/** An id and a moment that come with every call, so that a command which is run again does just the same. */
export interface Stamp {
  /** UUIDv7, for what the command creates. */
  id: string
  /** ISO 8601, in UTC. */
  at: string
}

/** Who does it by a command on the host. */
export interface ByHand {
  /** The operator's account on the host; undefined in a service. */
  operator?: string | undefined
}

/** Who may run a command: a signed-in user with at least this role, the service for somebody who has none, or an admin as well as the operator's scripts. */
export type Caller = Role | 'service' | 'admin or operator'

/** A write of the service, by its name. It closes over nothing, so that any engine can run it where it likes. */
export interface Command<Input, Output> {
  readonly name: string
  readonly caller: Caller
  /** How long it may take, in milliseconds, before its engine gives it up. */
  readonly longestMs: number
  /** Whether its input names under `staged` a file of rows, which the engine shows it in a schema of its own. */
  readonly readsStaged: boolean
  readonly run: (trx: Db, input: never) => Promise<Output>
  readonly runTogether: ((trx: Db, inputs: never[]) => Promise<Output[]>) | undefined
  /** For the types alone: what a call must bring. */
  readonly input?: Input
}

/** Plain data about a command, for another thread. */
export interface Call extends ByHand {
  command: string
  input: object
  stamp: Stamp
  credential: CallerCredential | undefined
  /** Given when the output is a `Representation` that is to become an answer. */
  form: AnswerForm | undefined
}

/** A call of a command with this input, by this right. */
export function callOf<Own extends object>(
  command: Command<Own, unknown>,
  input: Own,
  credential?: CallerCredential,
  form?: AnswerForm
): Call {
  const stamp = { id: uuidv7(), at: new Date().toISOString() }
  return { command: command.name, input, stamp, credential, form }
}

/** By what right a call is made: a session or an API key of this user, who had this role when the request came. */
export interface CallerCredential {
  id: string
  role: Role
  sessionId?: string
  keyHash?: string
}

/** What a write gives back of a resource. */
export interface Representation {
  /** Where it is, when it is new there. */
  location?: string
  /** The validator of its version. */
  etag?: string
  /** The resource as JSON; null when nothing is left to show. */
  body: string | null
}

/** How a representation becomes an answer. */
export interface AnswerForm {
  status: 200 | 201 | 204
  /** The preference of RFC 7240 that the request named. */
  preferred: 'minimal' | 'representation' | undefined
  /** Under which its answer is kept, if the request has an `Idempotency-Key`. */
  once: { key: string; fingerprint: string } | undefined
}

type Input<Own, Extra> = Own & Stamp & ByHand & Extra

interface UserCommandOptions<Own, Output> {
  longestMs?: number
  readsStaged?: boolean
  /**
   * Does the first of several inputs at less cost than one after the other, and to the same effect. Gives the outputs of so many; of fewer than all
   * when the next one is special, as one that `run` would refuse, and must be run by itself.
   */
  runTogether?: (trx: Db, inputs: readonly Input<Own, { actor: Actor }>[]) => Promise<Output[]>
}

const LONGEST_MS = 20_000
const commands = new Map<string, Command<object, unknown>>()

/**
 * Defines a write that a signed-in user with at least this role may ask for. `run` takes a transaction, and plain, cloneable data: its
 * own input with the call's `Stamp` and the `actor`. It gives plain data, or throws a `Problem`. It must do the same when it is
 * run again with the same input, and is best to throw before it writes.
 */
export function userCommand<Own extends object, Output>(
  name: string,
  caller: Role,
  run: (trx: Db, input: Input<Own, { actor: Actor }>) => Promise<Output>,
  { longestMs = LONGEST_MS, readsStaged = false, runTogether }: UserCommandOptions<Own, Output> = {}
): Command<Own, Output> {
  return register({ name, caller, run, longestMs, readsStaged, runTogether })
}

/** Defines a write of the service itself, on behalf of nobody who is signed in; as `userCommand`, without an actor. */
export function serviceCommand<Own extends object, Output>(
  name: string,
  run: (trx: Db, input: Input<Own, unknown>) => Promise<Output>,
  longestMs = LONGEST_MS
): Command<Own, Output> {
  return register({ ...USUAL, name, caller: 'service', run, longestMs })
}

/**
 * Defines what administers the service: a write that an admin may ask for, and the operator, who has a shell in place of an account; as
 * `userCommand`, where the operator is no actor.
 */
export function adminCommand<Own extends object, Output>(
  name: string,
  run: (trx: Db, input: Input<Own, { actor: Actor | undefined }>) => Promise<Output>
): Command<Own, Output> {
  return register({ ...USUAL, name, caller: 'admin or operator', run, longestMs: LONGEST_MS })
}

const USUAL = { readsStaged: false, runTogether: undefined }

function register<Own extends object, Output>(command: Command<Own, Output>): Command<Own, Output> {
  if (commands.has(command.name)) throw new TypeError(`There are two commands ${command.name}.`)
  commands.set(command.name, command as Command<object, unknown>)
  return command
}

/** The command of this name, which a module of a folder in `loadCommands` has defined. */
export function commandNamed(name: string): Command<object, unknown> {
  const command = commands.get(name)
  if (command === undefined) throw new TypeError(`There is no command ${name}.`)
  return command
}

/** The file whose rows the call is to see, if its command reads any. */
export function stagedFileOf({ command, input }: Call): string | undefined {
  return commandNamed(command).readsStaged ? (input as { staged: string }).staged : undefined
}

/** Where the service's own commands are. */
export const COMMANDS = path.join(import.meta.dirname, 'commands')

/** Defines the commands of all modules in these folders. */
export async function loadCommands(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const files = (await readdir(folder))
      .filter((file) => file.endsWith(path.extname(import.meta.filename)))
      .sort()
    await Promise.all(files.map((file) => import(pathToFileURL(path.join(folder, file)).href)))
  }
}
