import { Type } from '@sinclair/typebox'
import { Ref } from './ref.ts'

const Count = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })
const Line = Count('The line of the file, where it is about one.')

export const FieldError = Type.Object(
  {
    pointer: Type.String({
      maxLength: 500,
      description: 'A JSON pointer (RFC 6901) into the body, or `/name` of a query parameter.'
    }),
    detail: Type.String({ maxLength: 1000, description: 'What is wrong there, and what is expected.' }),
    line: Type.Optional(Line)
  },
  { title: 'FieldError', additionalProperties: false }
)

/** A reason for which rows of an import are refused. */
export const ImportReason = Type.Object(
  {
    reason: Type.String({
      maxLength: 1000,
      description: 'What is wrong; `…` stands for what is another thing in each row.'
    }),
    pointer: Type.String({ maxLength: 500, description: 'Where in the row: a JSON pointer (RFC 6901).' }),
    count: Count('How many rows are refused for it.'),
    example: FieldError
  },
  {
    $id: 'ImportReason',
    description: 'Why rows of an import are refused, and how many of them.',
    additionalProperties: false,
    examples: [
      {
        reason: 'is required',
        pointer: '/name',
        count: 4,
        example: { line: 3, pointer: '/name', detail: 'is required' }
      }
    ]
  }
)

/** A problem document (RFC 9457). */
export const Problem = Type.Object(
  {
    type: Type.String({
      format: 'uri-reference',
      maxLength: 200,
      description: 'Identifies the kind of problem, and leads to its explanation.'
    }),
    title: Type.String({
      maxLength: 200,
      description: 'The kind of problem in a few words; the same each time.'
    }),
    status: Type.Integer({ minimum: 400, maximum: 599, description: 'The HTTP status.' }),
    detail: Type.String({ maxLength: 2000, description: 'What is wrong with this request.' }),
    instance: Type.String({
      format: 'uri-reference',
      maxLength: 100,
      description: 'The request id, as in the `x-request-id` header and in the log.'
    }),
    code: Type.String({ maxLength: 50, description: 'The kind of problem, for programs.' }),
    errors: Type.Optional(
      Type.Array(FieldError, {
        maxItems: 100,
        description: 'Where the input is wrong (up to 20 places, of an import up to 100).'
      })
    ),
    expired_at: Type.Optional(
      Type.String({
        format: 'date-time',
        maxLength: 30,
        description: 'Of a token or key that has been good: when it expired.'
      })
    ),
    created: Type.Optional(Count('Of an import: how many rows were created.')),
    unchanged: Type.Optional(Count('Of an import: how many rows were there already.')),
    refused: Type.Optional(Count('Of an import: how many rows cannot be imported.')),
    reasons: Type.Optional(
      Type.Array(Ref(ImportReason), {
        maxItems: 50,
        description: 'Of an import: why rows are refused, each reason once, the most frequent first.'
      })
    )
  },
  { $id: 'Problem', description: 'A problem document (RFC 9457).' }
)

const EXAMPLE = {
  type: '/problems/author-not-found',
  code: 'AUTHOR_NOT_FOUND',
  status: 404,
  title: 'No such author',
  remedy: 'Look the author up in GET /authors; it may have been deleted.'
}

/** What /problems tells of one kind of problem. */
export const ProblemType = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', maxLength: 200 }),
    code: Type.String({ maxLength: 50 }),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    title: Type.String({ maxLength: 200 }),
    remedy: Type.String({ maxLength: 500, description: 'What to do about it.' })
  },
  {
    $id: 'ProblemType',
    description: 'One kind of problem that this service can answer.',
    examples: [EXAMPLE]
  }
)

export const ProblemTypeList = Type.Object(
  { data: Type.Array(Ref(ProblemType), { maxItems: 200 }) },
  {
    $id: 'ProblemTypeList',
    description: 'Every kind of problem that this service can answer.',
    examples: [{ data: [EXAMPLE] }]
  }
)

export const ProblemName = Type.Object({
  name: Type.String({
    maxLength: 100,
    description: 'The last segment of a problem’s `type`.',
    examples: ['author-not-found']
  })
})
