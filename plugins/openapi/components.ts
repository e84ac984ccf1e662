import { isDeepStrictEqual } from 'node:util'
import {
  type Document,
  type Header,
  isReference,
  type Operation,
  operationsOf,
  type Parameter,
  type Reference,
  type Response
} from './document.ts'

const PROBLEM = 'application/problem+json'
const PLACES: Record<string, string> = { header: 'Header', path: 'Path', query: 'Query' }

/** The document with what operations share as components: headers, parameters, problems and their examples. */
export function withComponents(document: Document): Document {
  const [headers, examples, responses, parameters] = [
    collection('headers'),
    collection('examples'),
    collection('responses'),
    collection('parameters')
  ]
  const isShared = sharedParameters(document)

  for (const entry of privateOnesFirst(document)) {
    const { operation } = entry
    if (operation.parameters !== undefined) operation.parameters = operation.parameters.map(referToParameter)
    for (const [status, response] of Object.entries(operation.responses as Record<string, Response>)) {
      referToParts(response)
      operation.responses[status] = referToResponse(response, entry)
    }
  }
  const made = [headers, examples, responses, parameters].map(({ kind, sorted }) => [kind, sorted()])
  return { ...document, components: { ...document.components, ...Object.fromEntries(made) } }

  function referToParameter(parameter: Parameter | Reference) {
    if (isReference(parameter) || !isShared(parameter)) return parameter
    return parameters.refer([toTypeName(parameter.name) + PLACES[parameter.in]], parameter)
  }

  function referToParts(response: Response): void {
    for (const [name, header] of Object.entries((response.headers ?? {}) as Record<string, Header>)) {
      const typeName = (header.required ? '' : 'Optional') + toTypeName(name)
      Object.assign(response.headers as object, { [name]: headers.refer([typeName], header) })
    }
    for (const [code, example] of Object.entries(response.content?.[PROBLEM]?.examples ?? {})) {
      Object.assign(examplesOf(response), { [code]: examples.refer([code], example) })
    }
  }

  function referToResponse(
    response: Response,
    { method, operation }: { method: string; operation: Operation }
  ) {
    const name = Object.keys(examplesOf(response)).map(toTypeName).join('Or')
    if (name === '') return response
    const isPublic = operation.security !== undefined
    return responses.refer(
      [name, ...(isPublic ? [`Public${name}`] : []), toTypeName(method) + name],
      response
    )
  }
}

/** Problems have plain names where a token is wanted; those of other operations, which differ a little, stand behind. */
function privateOnesFirst(document: Document) {
  return operationsOf(document).toSorted((one, other) => rankOf(one.operation) - rankOf(other.operation))
}

function rankOf({ security }: Operation): number {
  return security === undefined ? 0 : 1
}

/** Values of one kind by name. */
function collection(kind: string) {
  const named: Record<string, unknown> = {}

  /** A reference to the value, under the first of the names that no other value has; the value itself if there is none. */
  function refer<T>(names: string[], value: T): T | Reference {
    const name = names.find((candidate) => isDeepStrictEqual(named[candidate] ?? value, value))
    if (name === undefined) return value
    named[name] = value
    return { $ref: `#/components/${kind}/${name}` }
  }

  const sorted = () =>
    Object.fromEntries(Object.entries(named).sort(([one], [other]) => (one < other ? -1 : 1)))
  return { kind, refer, sorted }
}

/** Tells of a parameter whether several operations take it, and no other one has its name. */
function sharedParameters(document: Document): (parameter: Parameter) => boolean {
  const all = operationsOf(document).flatMap(({ operation }) => (operation.parameters ?? []) as Parameter[])
  const byName = Map.groupBy(all, ({ in: place, name }) => `${place} ${name}`)
  return (parameter) => {
    const namesakes = byName.get(`${parameter.in} ${parameter.name}`) ?? []
    return namesakes.length > 1 && namesakes.every((other) => isDeepStrictEqual(other, parameter))
  }
}

function examplesOf({ content }: Response): object {
  return content?.[PROBLEM]?.examples ?? {}
}

/** `if-match` and `NOT_OWNER` as a type would be named. */
function toTypeName(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/)
  return words
    .map(
      (word) => word.charAt(0).toUpperCase() + (isShout(word) ? word.slice(1).toLowerCase() : word.slice(1))
    )
    .join('')
}

function isShout(word: string): boolean {
  return word.length > 1 && word === word.toUpperCase()
}
