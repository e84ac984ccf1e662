import createError from '@fastify/error'

/** One kind of problem that the API can answer (RFC 9457), as listed at /problems. */
export interface ProblemType {
  /** The last segment of its `type` URI. */
  name: string
  code: string
  status: number
  title: string
  /** The `detail`, with `%s` for what only the occurrence knows. */
  detail: string
  /** What the person who meets it can do next. */
  remedy: string
  /** Headers that go with every answer of this kind. */
  headers: Record<string, string>
  /** Examples of headers that go with it, of which only the occurrence knows the values. */
  ownHeaders?: Record<string, string>
  /** An example of its `errors`. */
  errors?: FieldError[]
  /** An example of its further members. */
  members?: Record<string, unknown>
}

/** Where in the input a problem lies: a JSON pointer (RFC 6901) into the body, or `/name` of a query parameter. */
export interface FieldError {
  pointer: string
  detail: string
  /** The line of a file that it is about. */
  line?: number
}

/** What a thrown error may add to its problem document and to the answer's headers. */
export interface ProblemExtras {
  errors?: FieldError[]
  /** Further members of its own. */
  members?: Record<string, unknown>
  headers?: Record<string, string>
  /** A path of this service in its detail. */
  address?: string
}

const problemClasses = new Map<string, new (...details: string[]) => Error>()

/** Every problem type by its code. */
export const problemTypes = new Map<string, ProblemType>()

const BASIC_CHALLENGE = { 'www-authenticate': 'Basic realm="library", charset="UTF-8"' }
const BEARER_CHALLENGE = { 'www-authenticate': 'Bearer realm="library"' }
const INVALID_TOKEN_CHALLENGE = {
  'www-authenticate':
    'Bearer realm="library", error="invalid_token", error_description="The access token is invalid or has expired"'
}

const RATE_LIMIT = { 'ratelimit-policy': '"login";q=10;w=900', ratelimit: '"login";r=9;t=900' }

type ProblemDefinition = Omit<ProblemType, 'name' | 'headers'> & { headers?: Record<string, string> }

function problem<Arguments extends unknown[] = []>(definition: ProblemDefinition) {
  const { code, status, detail } = definition
  problemTypes.set(code, { headers: {}, ...definition, name: code.toLowerCase().replaceAll('_', '-') })
  const type = class Problem extends createError<Arguments>(code, detail, status) {
    static readonly code = code
  }
  problemClasses.set(code, type as unknown as new (...details: string[]) => Error)
  return type
}

/** The error of this code, with what fills in its detail. */
export function problemOf(code: string, details: readonly string[]): Error {
  const type = problemClasses.get(code)
  if (type === undefined) throw new TypeError(`${code} is not a problem type`)
  return new type(...details)
}

/** The class of one problem type. */
export interface ProblemClass {
  readonly code: string
}

/** Adds field errors or headers to an error that is about to be thrown. */
export function withExtras<E extends Error>(error: E, extras: ProblemExtras): E {
  return Object.assign(error, extras)
}

export const ValidationFailed = problem({
  code: 'VALIDATION_FAILED',
  status: 400,
  title: 'The request does not fit the schema',
  detail: 'The request has values that cannot be accepted; "errors" lists them.',
  remedy: 'Correct each entry of "errors" (its pointer says where it lies) and send the request again.',
  errors: [{ pointer: '/name', detail: 'is required' }]
})
/** The problem of a query parameter that has a good value and is out of place all the same. */
export function refusedParameter(name: string, detail: string): Error {
  return withExtras(new ValidationFailed(), { errors: [{ pointer: `/${name}`, detail }] })
}

export const MalformedJson = problem<[string]>({
  code: 'MALFORMED_JSON',
  status: 400,
  title: 'The body is not JSON that can be taken',
  detail: 'The body %s.',
  remedy:
    'Send one complete JSON text in UTF-8 (RFC 8259), with each name once in its object and numbers that a double can hold.'
})
export const MalformedRequest = problem<[string]>({
  code: 'MALFORMED_REQUEST',
  status: 400,
  title: 'The request is not valid HTTP',
  detail: 'The request cannot be understood: %s.',
  remedy: 'Percent-encode the URL as UTF-8 and let an HTTP library write the request.'
})
export const InvalidCursor = problem({
  code: 'INVALID_CURSOR',
  status: 400,
  title: 'The cursor is not one of this list',
  detail: 'The cursor was not made by this list with these parameters.',
  remedy:
    'Follow "next" of a page unchanged. Another search, filter or order is another list: begin it without a cursor.'
})
export const PasswordRefused = problem<[string]>({
  code: 'PASSWORD_REFUSED',
  status: 400,
  title: 'The password is too easy to guess',
  detail: 'This password %s.',
  remedy: 'Choose a longer phrase that only you would think of, or let a password manager make one.',
  errors: [{ pointer: '/password', detail: 'is one of the most common ones' }]
})
export const CredentialsRequired = problem({
  code: 'CREDENTIALS_REQUIRED',
  status: 401,
  title: 'Log in with HTTP Basic',
  detail: 'The request has no well-formed "Authorization: Basic" header.',
  remedy:
    'Send "Authorization: Basic" with base64 of username:password in UTF-8 (RFC 7617); in curl: -u username:password.',
  headers: BASIC_CHALLENGE
})
export const InvalidCredentials = problem({
  code: 'INVALID_CREDENTIALS',
  status: 401,
  title: 'Wrong username or password',
  detail: 'No account has this username and password.',
  remedy: 'Check both for typing errors, or register first.',
  headers: BASIC_CHALLENGE,
  ownHeaders: RATE_LIMIT
})
export const TokenRequired = problem({
  code: 'TOKEN_REQUIRED',
  status: 401,
  title: 'An access token is required',
  detail: 'The request has no "Authorization: Bearer" header.',
  remedy: 'Log in at POST /login and send its access_token as "Authorization: Bearer <access_token>".',
  headers: BEARER_CHALLENGE
})
export const InvalidToken = problem({
  code: 'INVALID_TOKEN',
  status: 401,
  title: 'The access token is not valid',
  detail: 'The access token is malformed, expired, revoked or was not issued here.',
  remedy: 'Get a new one at POST /refresh with your refresh_token, or log in again at POST /login.',
  headers: INVALID_TOKEN_CHALLENGE
})
/** That a token or key of ours, which has been good, expired at this time (ISO 8601), and what to do then. */
export function expired(what: 'access token' | 'API key', at: string): Error {
  const message = `The ${what} expired at ${at}. ${RENEWALS[what]}`
  const challenge = `Bearer realm="library", error="invalid_token", error_description="The ${what} expired at ${at}"`
  const headers = { 'www-authenticate': challenge }
  return Object.assign(new InvalidToken(), { message, members: { expired_at: at }, headers })
}

const RENEWALS = {
  'access token': 'Get a new one at POST /refresh with your refresh_token, or log in again at POST /login.',
  'API key': 'Log in at POST /login and make a new one at POST /me/keys.'
}

const INSUFFICIENT_SCOPE_CHALLENGE = {
  'www-authenticate': 'Bearer realm="library", error="insufficient_scope", scope="write"'
}

export const InvalidRefreshToken = problem({
  code: 'INVALID_REFRESH_TOKEN',
  status: 401,
  title: 'The refresh token is not valid',
  detail: 'The refresh token is malformed, expired, spent, or its session has ended.',
  remedy:
    'Log in again at POST /login. If you did not end the session, look at GET /me/sessions: somebody else may have used the token.',
  headers: INVALID_TOKEN_CHALLENGE,
  ownHeaders: RATE_LIMIT
})
export const WrongPassword = problem({
  code: 'WRONG_PASSWORD',
  status: 403,
  title: 'The password is wrong',
  detail: 'The password that confirms this is not the current one.',
  remedy: 'Give your current password.'
})
export const InvalidResetCode = problem({
  code: 'INVALID_RESET_CODE',
  status: 403,
  title: 'The reset code is not valid',
  detail: 'The code is wrong, was used already or has expired, or is not for this user.',
  remedy: 'Ask the operator for a new code.',
  ownHeaders: RATE_LIMIT
})
export const RoleRequired = problem<[string]>({
  code: 'ROLE_REQUIRED',
  status: 403,
  title: 'Your role does not allow this',
  detail: 'This needs the role %s.',
  remedy: 'Ask an admin to do it, or to change your role.'
})
export const InsufficientScope = problem({
  code: 'INSUFFICIENT_SCOPE',
  status: 403,
  title: 'The API key may only read',
  detail: 'This API key has the scope "read".',
  remedy: 'Use a key with the scope "write", or an access token.',
  headers: INSUFFICIENT_SCOPE_CHALLENGE
})
export const AccessTokenOnly = problem({
  code: 'ACCESS_TOKEN_ONLY',
  status: 403,
  title: 'An API key cannot do this',
  detail: 'Keys, passwords, sessions and users are managed, and authors purged, with an access token only.',
  remedy: 'Log in at POST /login and use the access_token.'
})
export const RegistrationClosed = problem({
  code: 'REGISTRATION_CLOSED',
  status: 403,
  title: 'Registration is closed',
  detail: 'This service does not take new registrations.',
  remedy: 'Ask the operator for an account.'
})
export const NotOwner = problem({
  code: 'NOT_OWNER',
  status: 403,
  title: 'Somebody else owns this author',
  detail: 'Only the owner of an author, or an admin, may change or delete it.',
  remedy: 'Ask the user named by "owner_id" to make the change.'
})
export const RouteNotFound = problem<[string]>({
  code: 'ROUTE_NOT_FOUND',
  status: 404,
  title: 'There is nothing at this address',
  detail: 'There is nothing at %s.',
  remedy: 'See GET / for the addresses of this service, or /docs for the documentation.'
})
export const AuthorNotFound = problem<[string]>({
  code: 'AUTHOR_NOT_FOUND',
  status: 404,
  title: 'No such author',
  detail: 'No author has the id or slug "%s".',
  remedy: 'Look the author up in GET /authors; it may have been deleted.'
})
export const VersionNotFound = problem<[string, number]>({
  code: 'VERSION_NOT_FOUND',
  status: 404,
  title: 'No such version',
  detail: 'The author "%s" was not there in a version %d.',
  remedy:
    'See GET /authors/{author}/history for the versions; in that of its deletion an author is not there.'
})
export const UserNotFound = problem<[string]>({
  code: 'USER_NOT_FOUND',
  status: 404,
  title: 'No such user',
  detail: 'No user has the id "%s".',
  remedy: 'Look the user up in GET /users.'
})
export const SessionNotFound = problem<[string]>({
  code: 'SESSION_NOT_FOUND',
  status: 404,
  title: 'No such session',
  detail: 'No session with the id "%s" is there that has not ended yet.',
  remedy: 'Look it up in GET /me/sessions, or as an admin in GET /users/{id}/sessions.'
})
export const KeyNotFound = problem<[string]>({
  code: 'KEY_NOT_FOUND',
  status: 404,
  title: 'No such API key',
  detail: 'There is no API key with the id "%s".',
  remedy: 'Look it up in GET /me/keys, or as an admin in GET /users/{id}/keys.'
})
export const ProblemNotFound = problem<[string]>({
  code: 'PROBLEM_NOT_FOUND',
  status: 404,
  title: 'No such problem type',
  detail: 'No problem type is named "%s".',
  remedy: 'See GET /problems for all of them.'
})
export const MethodNotAllowed = problem<[string, string]>({
  code: 'METHOD_NOT_ALLOWED',
  status: 405,
  title: 'This address does not take this method',
  detail: '%s is not allowed here; allowed are %s.',
  remedy: 'Use one of the methods in the "Allow" header.'
})
export const NotAcceptable = problem<[string]>({
  code: 'NOT_ACCEPTABLE',
  status: 406,
  title: 'Not to be had in this media type',
  detail: 'This can be had as %s, and "Accept" takes none of these.',
  remedy: 'Name one of these media types in "Accept", or leave it out.'
})
export const RequestTimeout = problem({
  code: 'REQUEST_TIMEOUT',
  status: 408,
  title: 'The request did not arrive in time',
  detail: 'The request was not complete when its time was over.',
  remedy: 'Send the request again, over a better connection if need be.'
})
export const ExpectationFailed = problem({
  code: 'EXPECTATION_FAILED',
  status: 417,
  title: 'The expectation is not known here',
  detail: 'The request has an "Expect" other than "100-continue".',
  remedy: 'Leave the "Expect" header out.'
})
export const UsernameTaken = problem<[string]>({
  code: 'USERNAME_TAKEN',
  status: 409,
  title: 'The username is taken',
  detail:
    'The username "%s" is taken, or looks the same as one that is (case and Unicode compatibility forms do not count).',
  remedy: 'Choose another username, or log in if the account is yours.',
  errors: [{ pointer: '/username', detail: 'looks the same as salman' }],
  ownHeaders: RATE_LIMIT
})
export const AuthorExists = problem<[string]>({
  code: 'AUTHOR_EXISTS',
  status: 409,
  title: 'This author and book exist already',
  detail: 'An author with this name and book exists already: %s (case and diacritics do not count).',
  remedy: 'Use the existing author, or give another book.'
})
export const AuthorNotDeleted = problem<[string]>({
  code: 'AUTHOR_NOT_DELETED',
  status: 409,
  title: 'The author is not deleted',
  detail: 'The author "%s" is there, so there is nothing to restore.',
  remedy: 'To go back to an earlier version, get it with ?version=N and PUT it.'
})
export const IdempotencyKeyInUse = problem({
  code: 'IDEMPOTENCY_KEY_IN_USE',
  status: 409,
  title: 'The first request with this key is still under way',
  detail: 'A request of yours with the same "Idempotency-Key" has not been answered yet.',
  remedy: 'Wait for the seconds in "Retry-After" and send the request again, with the same key.',
  headers: { 'retry-after': '1' }
})
export const IdentifierTaken = problem<[string, string]>({
  code: 'IDENTIFIER_TAKEN',
  status: 409,
  title: 'An author of another name has this identifier',
  detail:
    'The author at %s has the same %s identifier and another name; only authors of the same name share one (case and diacritics do not count).',
  remedy:
    'Check the name and the identifier. To rename a person with several books, take the identifier from these authors first, and give it back afterwards.'
})
export const LastAdmin = problem({
  code: 'LAST_ADMIN',
  status: 409,
  title: 'This is the last admin',
  detail: 'Nobody else could administer the service if this admin were demoted, disabled or deleted.',
  remedy: 'Make another user an admin first.'
})
export const AuthorPurged = problem<[string]>({
  code: 'AUTHOR_PURGED',
  status: 410,
  title: 'The author was purged',
  detail: 'What the author "%s" was has been purged, and cannot be brought back.',
  remedy: 'Take the author out of what you keep; to have it again, create a new one.'
})
export const VersionPurged = problem<[string, number]>({
  code: 'VERSION_PURGED',
  status: 410,
  title: 'The version was purged',
  detail: 'What the author "%s" was in version %d has been purged.',
  remedy: 'See GET /authors/{author}/history for the versions that are kept.'
})
export const StaleVersion = problem<[string]>({
  code: 'STALE_VERSION',
  status: 412,
  title: 'The author has changed in the meantime',
  detail: 'The version in "If-Match" is not the current one, which is %s.',
  remedy: 'Get the author again, apply your change to it, and send it with its new ETag.',
  ownHeaders: { etag: '"5e6f7a8b9c0d.2"' }
})
export const BodyTooLarge = problem<[string]>({
  code: 'BODY_TOO_LARGE',
  status: 413,
  title: 'The body is too large',
  detail: 'The body is larger than this address accepts, which is %s.',
  remedy: 'Send a smaller body; of many authors send some at a time, to POST /authors/import.'
})
export const UriTooLong = problem({
  code: 'URI_TOO_LONG',
  status: 414,
  title: 'The address is too long',
  detail: 'A part of the address is longer than anything that this service has.',
  remedy: 'Use the id or the slug that the service gave.'
})
export const UnsupportedMediaType = problem<[string, string]>({
  code: 'UNSUPPORTED_MEDIA_TYPE',
  status: 415,
  title: 'The body has the wrong media type',
  detail: 'The body must be %s, in UTF-8 and not compressed, and its "Content-Type" must say so%s.',
  remedy: 'Send a "Content-Type" that the header "Accept" of this answer names, and a body of that type.',
  headers: { accept: 'application/json' }
})
export const IdempotencyKeyReused = problem({
  code: 'IDEMPOTENCY_KEY_REUSED',
  status: 422,
  title: 'The key was used for another request',
  detail: 'A request of yours with this "Idempotency-Key" had another method, address or body.',
  remedy: 'Use a new key for each new request, and the same one only to repeat a request unchanged.'
})
export const ImportRefused = problem<[number]>({
  code: 'IMPORT_REFUSED',
  status: 422,
  title: 'Nothing was imported, for some rows cannot be',
  detail:
    'Rows that cannot be imported: %d; "reasons" counts them by what is wrong, "errors" lists the first 100 places. Nothing was imported.',
  remedy: 'Correct these rows and send the file again, or keep the good ones with ?mode=partial.',
  errors: [{ line: 3, pointer: '/name', detail: 'is required' }],
  members: {
    created: 0,
    unchanged: 12,
    refused: 1,
    reasons: [
      {
        reason: 'is required',
        pointer: '/name',
        count: 1,
        example: { line: 3, pointer: '/name', detail: 'is required' }
      }
    ]
  }
})
export const TooManyRequests = problem<[string, string]>({
  code: 'TOO_MANY_REQUESTS',
  status: 429,
  title: 'Too many attempts',
  detail: 'There were too many %s; the next try is taken in %s seconds.',
  remedy: 'Wait for the seconds in "Retry-After" and try again; "RateLimit-Policy" tells what is taken.',
  headers: {
    'retry-after': '900',
    'ratelimit-policy': '"login";q=10;w=900',
    ratelimit: '"login";r=0;t=900'
  }
})
export const TooManyStreams = problem<[number, string]>({
  code: 'TOO_MANY_STREAMS',
  status: 429,
  title: 'Too many streams at once',
  detail: 'You have %d %s open, which is as many as one user may have at once.',
  remedy: 'Close one of them, let one come to its end, or share one.',
  headers: { 'retry-after': '60' }
})
export const HeadersTooLarge = problem({
  code: 'HEADERS_TOO_LARGE',
  status: 431,
  title: 'The request headers are too large',
  detail: 'The request line and headers together are larger than 16 KiB.',
  remedy: 'Send shorter headers; an access token of this service has fewer than 1,000 characters.'
})
export const InternalError = problem({
  code: 'INTERNAL_ERROR',
  status: 500,
  title: 'Something went wrong here',
  detail: 'The service failed in an unexpected way; the failure is in its log under the id in "instance".',
  remedy:
    'Try again; if it stays, send the operator the id in "instance". A write may or may not have happened: look before you repeat it.'
})
export const CodingNotImplemented = problem({
  code: 'CODING_NOT_IMPLEMENTED',
  status: 501,
  title: 'The transfer coding is not known here',
  detail: 'The request has a "Transfer-Encoding" other than "chunked".',
  remedy: 'Send the body as it is, with a "Content-Length" or "Transfer-Encoding: chunked".'
})
export const TooBusy = problem({
  code: 'TOO_BUSY',
  status: 503,
  title: 'Too many people log in or register at this moment',
  detail: 'The queue for checking passwords is full.',
  remedy: 'Wait for the seconds in "Retry-After" and try again.',
  headers: { 'retry-after': '2' }
})
export const Overloaded = problem({
  code: 'OVERLOADED',
  status: 503,
  title: 'The service has too much to keep in memory at this moment',
  detail: 'Too many answers wait to be read, or too many large bodies arrive at once.',
  remedy: 'Read the answers that you have asked for, wait for the seconds in "Retry-After", and try again.',
  headers: { 'retry-after': '1' }
})
export const ShuttingDown = problem({
  code: 'SHUTTING_DOWN',
  status: 503,
  title: 'The service is shutting down',
  detail: 'The service was asked to end. It finishes what it has begun, and takes no new connections.',
  remedy: 'Send requests to another instance, or wait until the service has been started again.',
  headers: { 'retry-after': '5' }
})
export const StorageUnavailable = problem({
  code: 'STORAGE_UNAVAILABLE',
  status: 503,
  title: 'The database cannot do this now',
  detail: 'The database is locked, full, gone or not writable, or the system lets no more files be opened.',
  remedy:
    'Wait for the seconds in "Retry-After", look whether the write has happened, and try again; if it stays, the operator must look at the disk.',
  headers: { 'retry-after': '5' }
})
