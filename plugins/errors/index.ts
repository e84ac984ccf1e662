import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { isUnavailable } from '../../db/dialect.ts'
import {
  BodyTooLarge,
  CodingNotImplemented,
  CredentialsRequired,
  ExpectationFailed,
  HeadersTooLarge,
  InsufficientScope,
  InternalError,
  InvalidToken,
  MalformedJson,
  MalformedRequest,
  Overloaded,
  type ProblemClass,
  type ProblemExtras,
  type ProblemType,
  problemTypes,
  RequestTimeout,
  StorageUnavailable,
  TokenRequired,
  TooManyRequests,
  UnsupportedMediaType,
  UriTooLong,
  ValidationFailed,
  withExtras
} from '../../schemas/errors.ts'
import { documentedHeader, documentedHeaders } from '../../schemas/ref.ts'
import { basePathOf } from '../base-path/paths.ts'
import { noteRequest } from '../http/access-log.ts'
import { toFieldErrors } from './field-errors.ts'
import { unsupportedMediaType } from './media-types.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The problem document of an error, for an answer that has begun already; it is logged as if it were the answer. */
    problemOf(error: unknown): object
  }
  interface FastifyContextConfig {
    /** The errors that the handler itself throws; those that every such route can answer are added. */
    errors?: ProblemClass[]
  }
}

/** What is wrong when nothing more is known. */
export const NOT_HTTP = 'its request line or a header is malformed'

const EXAMPLE_ID = '1bfcbb5e-6279-47f2-afa9-79c5bc551192'

/** Unauthenticated, forbidden, too many. */
const REFUSALS = new Set([401, 403, 429])

/** What Fastify and its plugins throw, as our errors. */
const TRANSLATIONS: Record<string, (request: FastifyRequest) => Error> = {
  FST_BASIC_AUTH_MISSING_OR_BAD_AUTHORIZATION_HEADER: () => new CredentialsRequired(),
  FST_ERR_BAD_URL: () =>
    new MalformedRequest('its target is no address, or its percent-encoding is broken or is not UTF-8'),
  FST_ERR_CTP_BODY_TOO_LARGE: () => new BodyTooLarge('1 MiB'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new MalformedRequest('its body is not as long as its Content-Length says'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: unsupportedMediaType,
  FST_ERR_MAX_PARAM_LENGTH: () => new UriTooLong()
}

/** Turns every error into a problem document (RFC 9457), and every route's errors into documentation. */
async function errorsPlugin(fastify: FastifyInstance) {
  fastify.setErrorHandler(sendProblem)
  fastify.decorateRequest('problemOf', function problemOf(this: FastifyRequest, error: unknown) {
    return toProblem(error as FastifyError, this).document
  })
  fastify.addHook('onRoute', (route) => {
    if (route.schema === undefined || route.schema.hide) return
    const errors = [...(route.config?.errors ?? []), ...commonErrors(route)]
    const answers = { ...(route.schema.response as Answers), ...problemAnswers(errors) }
    route.schema.response = Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [status, withSharedHeaders(route, status, answer)])
    )
  })
}

/** Answers any error as a problem; one that we do not know is logged and shown as nothing but its request id. */
export function sendProblem(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  // No hook has seen a request whose address Fastify cannot read.
  noteRequest(request)
  const { type, headers, document } = toProblem(error, request)
  if (!tellsLimit(type)) reply.removeHeader('ratelimit').removeHeader('ratelimit-policy')
  reply.code(type.status).headers(headers).send(document)
}

/** The same for what Fastify itself refuses before it has a route, and so runs no hooks for. */
export function sendUnroutedProblem(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(error, request, reply)
  request.server.metrics.noteUnrouted(request.method, reply.statusCode)
}

/** What is left of a limit goes with the problems that say so; one that comes later in the same request has nothing to do with it. */
function tellsLimit({ headers, ownHeaders = {} }: ProblemType): boolean {
  return 'ratelimit' in headers || 'ratelimit' in ownHeaders
}

function toProblem(error: FastifyError, request: FastifyRequest) {
  const known = toKnownError(error, request)
  const type = problemTypes.get(known.code)
  if (type === undefined) throw new TypeError(`${known.code} is not a problem type`)
  logProblem(error, request, type)
  return { type, ...problemAnswer(known, request.id, basePathOf(request.raw)) }
}

/** A failure of ours with its cause; a refused access as a security event; the rest is the client's own business. */
function logProblem(err: FastifyError, request: FastifyRequest, { code, status }: ProblemType): void {
  if (status >= 500) request.log.error({ err, code }, 'request failed')
  else if (REFUSALS.has(status)) request.log.info(refusal(request, code), 'access refused')
  else request.log.debug({ code }, 'request refused')
}

function refusal(request: FastifyRequest, code: string) {
  const { method, routeOptions, user, clientAddress } = request
  return {
    event: 'access_refused',
    code,
    method,
    route: routeOptions?.url,
    user_id: user?.id,
    address: clientAddress
  }
}

/** What is answered to one of our errors, below this path: its problem document, and the headers that go with it. */
export function problemAnswer(
  error: Pick<FastifyError, 'code' | 'message'> & ProblemExtras,
  instance: string,
  basePath: string
) {
  const { name, title, status, code, headers } = problemTypes.get(error.code) as ProblemType
  return {
    status,
    headers: {
      ...headers,
      ...error.headers,
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      'x-request-id': instance
    },
    document: {
      ...error.members,
      type: `${basePath}/problems/${name}`,
      title,
      status,
      detail: detailOf(error, basePath),
      instance,
      code,
      errors: error.errors
    }
  }
}

/** An address in it begins as the client's own do. */
function detailOf({ message, address }: { message: string } & ProblemExtras, basePath: string): string {
  return address === undefined ? message : message.replace(address, () => basePath + address)
}

function toKnownError(
  error: FastifyError & ProblemExtras,
  request: FastifyRequest
): FastifyError & ProblemExtras {
  if (problemTypes.has(error.code)) return error
  if (error.validation !== undefined) {
    const { validation, validationContext } = error
    const query = validationContext === 'querystring' ? knownParameters(request) : undefined
    return withExtras(new ValidationFailed(), { errors: toFieldErrors(validation, query) })
  }
  if (isUnavailable(error)) return new StorageUnavailable()
  const translated = TRANSLATIONS[error.code]?.(request)
  return (translated ??
    (isClientError(error) ? new MalformedRequest(NOT_HTTP) : new InternalError())) as FastifyError
}

function knownParameters({ routeOptions }: FastifyRequest): string[] {
  const { properties } = (routeOptions.schema as { querystring: { properties: object } }).querystring
  return Object.keys(properties)
}

function isClientError({ statusCode = 500 }: FastifyError): boolean {
  return statusCode >= 400 && statusCode < 500
}

/** The methods of which a key that may only read is refused none, and of which no body is looked at. */
const READS = ['GET', 'HEAD']

/** What any such route can answer; without `security` it wants a bearer token, as the document says at its top. */
function commonErrors({ method, schema = {} }: RouteOptions): ProblemClass[] {
  const isRead = [method].flat().every((name) => READS.includes(name))
  const isBehindToken = schema.security === undefined
  return [
    ValidationFailed,
    MalformedRequest,
    RequestTimeout,
    HeadersTooLarge,
    ExpectationFailed,
    CodingNotImplemented,
    Overloaded,
    ...(isRead ? [] : [MalformedJson, BodyTooLarge, UnsupportedMediaType]),
    ...(schema.params === undefined ? [] : [UriTooLong]),
    ...(isBehindToken ? [TokenRequired, InvalidToken] : []),
    ...(isBehindToken && !isRead ? [InsufficientScope] : []),
    InternalError,
    StorageUnavailable
  ]
}

function problemAnswers(errors: ProblemClass[]) {
  const types = errors.map(({ code }) => problemTypes.get(code) as ProblemType)
  const isLimited = types.some(({ code }) => code === TooManyRequests.code)
  const byStatus = Map.groupBy(types, ({ status }) => status)
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [status, documentedAnswer(ofStatus, isLimited)])
  )
}

interface Answers {
  [status: string]: { headers?: Record<string, object> }
}

/** What a token goes with in every answer, and the media types that a PATCH takes (RFC 5789 section 2.2), beside the headers of its own. */
function withSharedHeaders({ method, schema }: RouteOptions, status: string, answer: Answers[string]) {
  // An address that is too long is told before anything is looked at.
  const isBehindToken = schema?.security === undefined && status !== '414'
  const { Vary, ...shared } = documentedHeaders(['Vary', 'Cache-Control'])
  const headers = {
    ...answer.headers,
    // What is refused before the token is looked at depends on none.
    ...(isBehindToken && { ...shared, Vary: { ...Vary, required: status < '400' } }),
    ...(method === 'PATCH' && status === '415' && documentedHeader('accept-patch', true))
  }
  return { ...answer, headers }
}

/** What is left of a limit is told where there is one. */
function documentedAnswer(types: ProblemType[], isLimited: boolean) {
  const names = types
    .flatMap(({ headers, ownHeaders }) => Object.keys({ ...headers, ...ownHeaders }))
    .filter((name) => isLimited || !name.startsWith('ratelimit'))
  const isAlwaysThere = (name: string) => types.every((type) => name in type.headers)
  return {
    description: types.map(({ title, code }) => `${title} (\`${code}\`)`).join('. '),
    headers: {
      ...documentedHeaders(['Cache-Control']),
      ...Object.assign({}, ...names.map((name) => documentedHeader(name, isAlwaysThere(name))))
    },
    content: { 'application/problem+json': { schema: { $ref: 'Problem' }, examples: toExamples(types) } }
  }
}

function toExamples(types: ProblemType[]) {
  return Object.fromEntries(
    types.map(({ name, code, status, title, detail, errors, members }) => [
      code,
      {
        summary: title,
        value: {
          type: `/problems/${name}`,
          title,
          status,
          detail: detail.replaceAll(/%[sd]/g, '…'),
          instance: EXAMPLE_ID,
          code,
          errors,
          ...members
        }
      }
    ])
  )
}

export default fp(errorsPlugin, { name: 'errors', dependencies: ['client-address', 'schemas', 'validation'] })
