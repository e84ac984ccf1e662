import { type Static, Type } from '@sinclair/typebox'
import { Identifiers, WritableIdentifiers } from './identifiers.ts'
import { including, PageOf, UserName } from './pages.ts'
import { asStored, FreeText, Nullable, Text } from './text.ts'
import { Year } from './years.ts'

const Details = {
  name: Text({
    maxLength: 200,
    description: 'The author’s name, 1 to 200 characters.',
    examples: ['Salman Rushdie']
  }),
  sort_name: Nullable(
    Text({
      maxLength: 200,
      description:
        'The name to sort by where it is another one, 1 to 200 characters; `q` finds its words, too.',
      examples: ['Rushdie, Salman']
    })
  ),
  book: Nullable(
    Text({
      maxLength: 300,
      description: 'A book, 1 to 300 characters; null where unknown.',
      examples: ["Midnight's Children"]
    })
  ),
  country: Nullable(
    Text({
      maxLength: 100,
      description: 'A country, 1 to 100 characters; null where unknown.',
      examples: ['India']
    })
  )
}
const BookerPrize = Type.Boolean({ description: 'Whether the book won the Booker Prize.' })
const BirthYear = Nullable(Year('The year of birth, -3000 to 2100; BC is negative.'))
const DeathYear = Nullable(Year('The year of death, -3000 to 2100, not before the birth.'))
const Note = Nullable(FreeText({ maxLength: 4000, description: 'A note, up to 4,000 characters.' }))

/** None whom the seed brings along, so that it can be created beside them, and changed by whom it belongs to. */
const CREATE_EXAMPLE = {
  name: 'Chinua Achebe',
  sort_name: 'Achebe, Chinua',
  book: 'Things Fall Apart',
  country: 'Nigeria',
  booker_prize: false,
  birth_year: 1930,
  death_year: 2013,
  identifiers: { viaf: null, isni: null, wikidata: 'Q155845', openlibrary: null },
  note: 'Man Booker International Prize, 2007'
}

const writable = {
  name: Details.name,
  sort_name: Type.Optional(Details.sort_name),
  book: Type.Optional(Details.book),
  country: Type.Optional(Details.country),
  booker_prize: Type.Optional(BookerPrize),
  birth_year: Type.Optional(BirthYear),
  death_year: Type.Optional(DeathYear),
  identifiers: Type.Optional(WritableIdentifiers),
  note: Type.Optional(Note)
}

export const CreateAuthor = Type.Object(writable, {
  $id: 'CreateAuthor',
  additionalProperties: false,
  description:
    'A new author, of whom only the name must be known. Left out means false for `booker_prize` and null for the rest.',
  examples: [{ name: 'Chinua Achebe', book: 'Things Fall Apart', country: 'Nigeria', birth_year: 1930 }]
})
export type CreateAuthor = Static<typeof CreateAuthor>

export const ReplaceAuthor = Type.Object(writable, {
  $id: 'ReplaceAuthor',
  additionalProperties: false,
  description: 'The whole author anew: what is left out goes back to false or null. The slug stays.',
  examples: [CREATE_EXAMPLE]
})

export const PatchAuthor = Type.Object(
  {
    name: Type.Optional(Details.name),
    sort_name: writable.sort_name,
    book: writable.book,
    country: writable.country,
    booker_prize: Type.Optional(Nullable(BookerPrize)),
    birth_year: writable.birth_year,
    death_year: writable.death_year,
    identifiers: Type.Optional(Nullable(WritableIdentifiers)),
    note: writable.note
  },
  {
    $id: 'PatchAuthor',
    additionalProperties: false,
    description: 'A merge patch (RFC 7396): what is left out stays, null goes back to false or null.',
    examples: [{ death_year: 2013, identifiers: { wikidata: 'Q155845' } }]
  }
)
export type PatchAuthor = Static<typeof PatchAuthor>

const AUTHOR_EXAMPLE = {
  id: '019ab3f6-1d2e-7c44-9b1a-5e6f7a8b9c0d',
  slug: 'chinua-achebe',
  ...CREATE_EXAMPLE,
  owner_id: '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21',
  version: 1,
  created_at: '2026-11-23T09:31:00.000Z',
  updated_at: '2026-11-23T09:31:00.000Z'
}

export const Author = Type.Object(
  {
    id: Type.String({ format: 'uuid', maxLength: 36 }),
    slug: Type.String({
      maxLength: 120,
      description: 'A name for the address, made from the name once and never changed.'
    }),
    name: asStored(Details.name),
    sort_name: Details.sort_name,
    book: asStored(Details.book),
    country: asStored(Details.country),
    booker_prize: BookerPrize,
    birth_year: BirthYear,
    death_year: DeathYear,
    identifiers: Type.Object(
      {
        viaf: Nullable(Identifiers.viaf),
        isni: Nullable(Identifiers.isni),
        wikidata: Nullable(Identifiers.wikidata),
        openlibrary: Nullable(Identifiers.openlibrary)
      },
      { title: 'AuthorIdentifiers' }
    ),
    note: Note,
    owner_id: Nullable(
      Type.String({
        format: 'uuid',
        maxLength: 36,
        description: 'The user who created it; null once that user is gone.'
      })
    ),
    owner_name: UserName('The username of the owner'),
    version: Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Grows by one with every change.'
    }),
    created_at: Type.String({ format: 'date-time', maxLength: 30 }),
    updated_at: Type.String({ format: 'date-time', maxLength: 30 }),
    deleted_at: Type.Optional(
      Type.String({
        format: 'date-time',
        maxLength: 30,
        description: 'When it was deleted; in a list of deleted authors alone.'
      })
    ),
    deleted_by: Type.Optional(
      Nullable(
        Type.String({
          format: 'uuid',
          maxLength: 36,
          description: 'The user who deleted it; in a list of deleted authors alone.'
        })
      )
    ),
    deleted_by_name: UserName('The username of who deleted it')
  },
  { $id: 'Author', description: 'An author of the catalogue.', examples: [AUTHOR_EXAMPLE] }
)
export type Author = Static<typeof Author>

export const AuthorPage = PageOf(Author, 'AuthorPage', {
  total: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'How many authors there are on all pages; only with `count=true`.'
    })
  )
})

export const AuthorParams = Type.Object({
  author: Type.String({
    maxLength: 500,
    description: 'The author’s id or slug.',
    examples: ['chinua-achebe']
  })
})

export const AuthorVersionQuery = Type.Object(
  {
    version: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'The author as it was in this version; also of a deleted author.'
      })
    ),
    ...including
  },
  { additionalProperties: false }
)

export const DeleteAuthorQuery = Type.Object(
  {
    purge: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          '`true`, for admins with an access token: erases the author for good, with its history, also if it is deleted already. Nothing brings it back.'
      })
    )
  },
  { additionalProperties: false }
)
