import { type Static, Type } from '@sinclair/typebox'
import { IdentifierForms } from './identifiers.ts'
import { including, paging } from './pages.ts'
import { Year } from './years.ts'

const SORTS = [
  'name',
  '-name',
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
  'birth_year',
  '-birth_year'
] as const
export type Sort = (typeof SORTS)[number]

/** Without its example, with which Swagger UI would fill in the form. */
function identifier(scheme: keyof typeof IdentifierForms) {
  const { examples: _, ...schema } = IdentifierForms[scheme]
  return Type.Optional(schema as (typeof IdentifierForms)[typeof scheme])
}

/** What authors can be looked for by, how they are sorted, and the page of them. */
export const AuthorSearch = Type.Object(
  {
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description:
          'Words, up to 10; each must be the beginning of a word in name, sort name, book or country. Case, diacritics and apostrophes do not count; `ø` is `o`, `ß` is `ss`.'
      })
    ),
    country: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: 'The country; case, diacritics and apostrophes do not count.'
      })
    ),
    booker_prize: Type.Optional(
      Type.Boolean({ description: '`true` for winners of the Booker Prize, `false` for others.' })
    ),
    'birth_year.gte': Type.Optional(Year('Born in this year or later, -3000 to 2100.')),
    'birth_year.lte': Type.Optional(Year('Born in this year or before, -3000 to 2100.')),
    owner: Type.Optional(
      Type.String({
        maxLength: 36,
        pattern: '^(me|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$',
        description: 'The id of the user who owns the author, or `me`.'
      })
    ),
    'identifier.viaf': identifier('viaf'),
    'identifier.isni': identifier('isni'),
    'identifier.wikidata': identifier('wikidata'),
    'identifier.openlibrary': identifier('openlibrary'),
    sort: Type.Optional(
      Type.Unsafe<Sort>({
        type: 'string',
        enum: SORTS,
        default: '-created_at',
        description: `The order: ${SORTS.join(', ')}; \`-\` is descending. Names are in the order of their folded letters, those of authors with a sort name in the order of that; an unknown birth year is later than any.`
      })
    ),
    count: Type.Optional(
      Type.Boolean({
        description: '`true`: also how many there are on all pages, which takes a little time.'
      })
    ),
    deleted: Type.Optional(
      Type.Boolean({
        description:
          '`true`: the deleted authors as they were last, the last deletion first, with who deleted them and when. For admins with an access token; only `limit`, `cursor` and `include` go with it.'
      })
    ),
    ...including,
    ...paging
  },
  { additionalProperties: false }
)
export type AuthorSearch = Static<typeof AuthorSearch>
