import { type TProperties, type TSchema, Type } from '@sinclair/typebox'
import { Ref } from './ref.ts'

export const Limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 100,
    default: 20,
    description: 'How many entries a page holds, 1 to 100.'
  })
)

/** Asks for the usernames beside the ids of users. */
export const including = {
  include: Type.Optional(
    Type.Unsafe<'names'>({
      type: 'string',
      enum: ['names'],
      description:
        '`names`: also the usernames, beside each id of a user; null for a user who is gone. With an access token only.'
    })
  )
}

/** A username that is sent with `include=names`. */
export const UserName = (description: string) =>
  Type.Optional(
    Type.Unsafe<string | null>({
      type: ['string', 'null'],
      maxLength: 64,
      description: `${description}, with \`include=names\`; null once that user is gone.`
    })
  )

/** The parameters of every list: keyset pages, never an offset. */
export const paging = {
  limit: Limit,
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      // A page sorted by name begins after a name, which Unicode's compatibility forms can make long.
      maxLength: 12_000,
      description: 'Where the page begins: the cursor in `next` of the page before.'
    })
  )
}

export const PageQuery = Type.Object(paging, { additionalProperties: false })

/** The schema of a page of `item`, with what else it may hold. */
export function PageOf<T extends TSchema, More extends TProperties = Record<never, never>>(
  item: T,
  $id: string,
  more: More = {} as More
) {
  return Type.Object(
    {
      data: Type.Array(Ref(item), { maxItems: 100 }),
      next: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        maxLength: 14_000,
        description: 'The address of the next page; null on the last one.'
      }),
      ...more
    },
    { $id, description: 'A page of a list.', examples: [{ data: item.examples, next: null }] }
  )
}
