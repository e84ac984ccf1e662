import type { Document, Schema } from './document.ts'

/**
 * The document with every object inside a schema that has a title as a schema of its own, so that clients get a type of that
 * name. Where there is a schema of that name already, it is that one, or null.
 */
export function withNamedSchemas(document: Document): Document {
  const inner: Record<string, Schema> = {}
  const schemas = JSON.parse(JSON.stringify(document.components.schemas), (_key, value) => {
    if (!isTitledObject(value)) return value
    const { title, type, description } = value
    const reference = { $ref: `#/components/schemas/${title}` }
    inner[title] = { ...value, type: 'object' }
    return type === 'object' ? reference : { description, anyOf: [reference, { type: 'null' }] }
  })
  return {
    ...document,
    components: { ...document.components, schemas: { ...schemas, ...inner, ...schemas } }
  }
}

function isTitledObject(value: unknown): value is Schema & { title: string } {
  const { title, type, properties } = (value ?? {}) as Schema
  return typeof title === 'string' && [type].flat().includes('object') && properties !== undefined
}
