/** The OpenAPI document as the fuzzer and the tests read it. */

export interface Schema {
  $ref?: string
  $id?: string
  type?: string | string[]
  enum?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: boolean
  pattern?: string
  format?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  maxItems?: number
  examples?: unknown[]
}

export interface Media {
  schema: Schema
  examples?: Record<string, { value: { code: string; type: string; status: number } }>
}

export interface Parameter {
  in: string
  name: string
  required?: boolean
  description?: string
  example?: string
  schema: Schema
}

export interface Header {
  description?: string
  required?: boolean
  schema: Schema
}

export interface Response {
  description: string
  headers?: Record<string, Header>
  content?: Record<string, Media>
}

export interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security?: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Response>
}

export interface Document {
  openapi: string
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: {
    schemas: Record<string, Schema>
    securitySchemes: Record<string, { type: string; scheme: string }>
  }
}

/** One operation, and where it is. */
export interface Route {
  /** Such as `GET /authors/{author}`. */
  title: string
  method: string
  address: string
  operation: Operation
}

export const PROBLEM = 'application/problem+json'

/** All operations; as the router has it, an address in so many words comes before one with parameters. */
export function routesOf({ paths }: Document): Route[] {
  const routes = Object.entries(paths).flatMap(([address, operations]) =>
    Object.entries(operations).map(([name, operation]) => {
      const method = name.toUpperCase()
      return { title: `${method} ${address}`, method, address, operation }
    })
  )
  return routes.toSorted((a, b) => a.address.split('{').length - b.address.split('{').length)
}

/** The operation at this path, and the text of its path parameters; HEAD is GET. */
export function findRoute(routes: Route[], method: string, path: string) {
  const wanted = method === 'HEAD' ? 'GET' : method
  const bare = path.length > 1 ? path.replace(/\/$/, '') : path
  for (const route of routes) {
    if (route.method !== wanted) continue
    const match = patternOf(route.address).exec(bare)
    if (match !== null) return { route, parameters: { ...match.groups } }
  }
  return undefined
}

export function patternOf(address: string): RegExp {
  return new RegExp(`^${address.replaceAll('.', '\\.').replaceAll(/{(\w+)}/g, '(?<$1>[^/]*)')}$`)
}

/** The codes of the problems that the operation documents at this status. */
export function codesAt({ content }: Response): string[] {
  return Object.keys(content?.[PROBLEM]?.examples ?? {})
}

/** A copy in which a reference is the schema's name. */
export function asNamed<T>(value: T): T {
  return JSON.parse(JSON.stringify(value).replaceAll('#/components/schemas/', ''))
}

/** The document as it is sent, with what its operations refer to in its place; schemas keep their names. */
export function wholeDocument(sent: Document): Document {
  const { schemas: _schemas, ...shared } = sent.components as unknown as Record<
    string,
    Record<string, unknown>
  >
  const whole = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(whole)
    const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec((value as Schema).$ref ?? '') ?? []
    if (shared[kind] !== undefined) return whole(shared[kind][name])
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, whole(inner)]))
  }
  return { ...sent, paths: whole(sent.paths) as Document['paths'] }
}
