/** The OpenAPI document as @fastify/swagger makes it, as far as it is worked on here. */

export interface Schema {
  title?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  pattern?: string
  publishedPattern?: string
  format?: string
  description?: string
}

export interface Header {
  required?: boolean
  description?: string
  example?: string
  schema: Schema & { required?: boolean; examples?: string[] }
}

export interface Reference {
  $ref: string
}

export interface Media {
  schema: Schema
  examples?: Record<string, object>
}

export interface Response {
  description: string
  headers?: Record<string, Header | Reference>
  content?: Record<string, Media>
}

export interface Parameter {
  in: string
  name: string
  description?: string
  schema: Schema
}

export interface Operation {
  security?: object[]
  parameters?: (Parameter | Reference)[]
  responses: Record<string, Response | Reference>
}

export interface Document {
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Record<string, unknown>>
}

export function isReference(value: object): value is Reference {
  return '$ref' in value
}

/** One operation and its method, in small letters. */
export function operationsOf({ paths }: Document): { method: string; operation: Operation }[] {
  return Object.values(paths).flatMap((item) =>
    Object.entries(item).map(([method, operation]) => ({ method, operation }))
  )
}
