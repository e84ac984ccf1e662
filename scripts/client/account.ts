import { randomBytes } from 'node:crypto'
import { Failure, Refusal } from './failures.ts'
import { ask, patiently, type Service } from './http.ts'

interface Account {
  username: string
  password: string
}

const TOKEN = /^[\w.~+/-]+=*$/

/**
 * The service as somebody who may use it, as LIBRARY_TOKEN, or LIBRARY_USERNAME and LIBRARY_PASSWORD say; without them
 * `otherwise` gives an account. Throws `Failure`.
 */
export async function signIn(
  service: Service,
  otherwise: (service: Service) => Promise<Account> = refuse
): Promise<Service> {
  const { LIBRARY_TOKEN: token, LIBRARY_USERNAME: username, LIBRARY_PASSWORD: password } = process.env
  if (token) return withToken(service, token)
  if (!username !== !password) {
    throw new Failure('Set both LIBRARY_USERNAME and LIBRARY_PASSWORD, or neither.')
  }
  return logIn(service, username && password ? { username, password } : await otherwise(service))
}

async function refuse({ url }: Service): Promise<never> {
  throw new Failure(
    `Say who you are: set LIBRARY_TOKEN to an API key (POST /me/keys makes one, see ${url}/docs), or LIBRARY_USERNAME and LIBRARY_PASSWORD to those of an account.`
  )
}

function withToken(service: Service, token: string): Service {
  if (!TOKEN.test(token)) {
    throw new Failure('LIBRARY_TOKEN is no token: set it to the key or access token alone, without "Bearer".')
  }
  return { ...service, headers: { authorization: `Bearer ${token}` } }
}

async function logIn(service: Service, { username, password }: Account): Promise<Service> {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  try {
    const { access_token: token } = await post<{ access_token: string }>(
      { ...service, headers: { authorization } },
      '/login'
    )
    return withToken(service, token)
  } catch (error) {
    if (codeOf(error) !== 'INVALID_CREDENTIALS') throw error
    throw new Failure(
      `${service.url} has no account "${username}" with this password: check LIBRARY_USERNAME and LIBRARY_PASSWORD.`
    )
  }
}

/** Registers an account with a name and password of chance. Throws `Failure`. */
export async function register(service: Service): Promise<Account> {
  const username = `librarian-${randomBytes(3).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  try {
    await post(service, '/register', { username, password })
    return { username, password }
  } catch (error) {
    if (codeOf(error) !== 'REGISTRATION_CLOSED') throw error
    throw new Failure(
      `Registration is closed at ${service.url}: set LIBRARY_USERNAME and LIBRARY_PASSWORD to those of an account.`
    )
  }
}

function post<Answer>(service: Service, path: string, body?: object): Promise<Answer> {
  return patiently(service.signal, () => ask<Answer>(service, { method: 'POST', path }, body))
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Refusal ? error.problem.code : undefined
}
