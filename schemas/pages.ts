import { type TSchema, Type } from '@sinclair/typebox'
import { Ref } from './ref.ts'

/** The query of every list: keyset pages, never an offset. */
export const PageQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        default: 20,
        description: 'How many entries a page holds, 1 to 100.'
      })
    ),
    cursor: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'Where the page begins: the cursor in `next` of the page before.'
      })
    )
  },
  { additionalProperties: false }
)

/** The schema of a page of `item`. */
export function PageOf<T extends TSchema>(item: T, $id: string) {
  return Type.Object(
    {
      data: Type.Array(Ref(item), { maxItems: 100 }),
      next: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        maxLength: 500,
        description: 'The address of the next page; null on the last one.'
      })
    },
    { $id, description: 'A page, newest first.', examples: [{ data: item.examples, next: null }] }
  )
}
