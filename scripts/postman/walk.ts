/** The walk of the tutorial, the first folder of the collection: each request with its Postman test. */
import { BASIC_AUTH, jsonBody, KEEP_TOKEN, NO_AUTH, script } from './items.ts'

export const WALK = 'Walk: from registering to deleting'

const USERNAME = "pm.collectionVariables.get('username')"
const AUTHOR_ID = "pm.collectionVariables.get('author_id')"

interface Step {
  name: string
  request: [method: string, path: string]
  auth?: object
  headers?: Record<string, string>
  body?: object
  before?: string[]
  after: string[]
}

// The username makes the book a new one at every run, so that the walk can be repeated on the same data.
const BOOK = { name: 'Salman Rushdie', book: 'Shame, as read by {{username}}', country: 'India' }

const STEPS: Step[] = [
  {
    name: 'Register',
    request: ['POST', '/register'],
    auth: NO_AUTH,
    body: { username: '{{username}}', password: '{{password}}' },
    before: ["pm.collectionVariables.set('username', 'reader-' + Date.now())"],
    after: test('registers the user', 201, `pm.expect(answer.username).to.equal(${USERNAME})`)
  },
  { name: 'Log in', request: ['POST', '/login'], auth: BASIC_AUTH, after: KEEP_TOKEN },
  {
    name: 'Who am I',
    request: ['GET', '/me'],
    after: test('knows me by the token', 200, `pm.expect(answer.username).to.equal(${USERNAME})`)
  },
  {
    name: 'Add an author',
    request: ['POST', '/authors'],
    body: BOOK,
    after: [
      ...test(
        'adds the author',
        201,
        "pm.expect(answer).to.include({ name: 'Salman Rushdie', country: 'India', version: 1 })",
        "pm.expect(pm.response.headers.get('Location').endsWith('/authors/' + answer.slug)).to.equal(true)"
      ),
      "pm.collectionVariables.set('author_id', pm.response.json().id)",
      "pm.collectionVariables.set('author_slug', pm.response.json().slug)"
    ]
  },
  {
    name: 'List the authors and see it',
    request: ['GET', '/authors'],
    after: test(
      'lists the author',
      200,
      `pm.expect(answer.data.map(({ id }) => id)).to.include(${AUTHOR_ID})`
    )
  },
  {
    name: 'Get it by its slug',
    request: ['GET', '/authors/{{author_slug}}'],
    after: [
      ...test('gives the author', 200, `pm.expect(answer.id).to.equal(${AUTHOR_ID})`),
      "pm.collectionVariables.set('author_etag', pm.response.headers.get('ETag'))"
    ]
  },
  {
    name: 'Replace it, unless somebody else has changed it',
    request: ['PUT', '/authors/{{author_slug}}'],
    headers: { 'If-Match': '{{author_etag}}' },
    body: { ...BOOK, birth_year: 1947, note: 'Read twice.' },
    after: test(
      'replaces the author',
      200,
      "pm.expect(answer).to.include({ birth_year: 1947, note: 'Read twice.', version: 2 })",
      "pm.expect(pm.response.headers.get('ETag')).not.to.equal(pm.collectionVariables.get('author_etag'))"
    )
  },
  {
    name: 'Delete it',
    request: ['DELETE', '/authors/{{author_slug}}'],
    after: ["pm.test('deletes the author', () => pm.response.to.have.status(204))"]
  },
  {
    name: 'See that it is gone',
    request: ['GET', '/authors/{{author_id}}'],
    after: test('the author is gone', 404, "pm.expect(answer.code).to.equal('AUTHOR_NOT_FOUND')")
  }
]

/** The lines of a Postman test of the status and of the JSON answer. */
function test(title: string, status: number, ...checks: string[]): string[] {
  return [
    `pm.test('${title}', () => {`,
    `  pm.response.to.have.status(${status})`,
    '  const answer = pm.response.json()',
    ...checks.map((check) => `  ${check}`),
    '})'
  ]
}

/** The folder's requests in the form of the collection. */
export const walkItems = STEPS.map(toItem)

function toItem({ name, request: [method, url], auth, headers = {}, body, before, after }: Step) {
  const header = Object.entries(headers).map(([key, value]) => ({ key, value }))
  if (body !== undefined) header.push({ key: 'Content-Type', value: 'application/json' })
  return {
    name,
    event: [...(before === undefined ? [] : [script('prerequest', before)]), script('test', after)],
    request: {
      method,
      header,
      url: `{{baseUrl}}${url}`,
      body: body && jsonBody(JSON.stringify(body, null, 2)),
      auth
    }
  }
}
