import { Type } from '@sinclair/typebox'

/** The request headers of a change that is conditional (RFC 9110 section 13). */
export const conditions = {
  'if-match': Type.Optional(
    Type.String({
      maxLength: 200,
      description:
        'The ETag of the version that you mean to change; 412 when it is not the current one. One that a proxy has weakened (`W/`) counts too: it names the same version.'
    })
  )
}

export const preferences = {
  prefer: Type.Optional(
    Type.String({
      maxLength: 200,
      description: '`return=minimal`: an answer without a body (RFC 7240).'
    })
  )
}

export const idempotency = {
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: '^[!-~]+$',
      description:
        'A key that you make up for the request, such as a UUID. A repetition with the same key within 24 hours does nothing again and gets the same answer.'
    })
  )
}

export const IfNoneMatch = Type.Object({
  'if-none-match': Type.Optional(
    Type.String({
      maxLength: 2000,
      description: 'ETags of versions that you have; 304 without a body when the current one is among them.'
    })
  )
})
