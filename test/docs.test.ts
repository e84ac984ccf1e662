import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import t, { type Test } from 'tap'
import { AuthorParams } from '../schemas/authors.ts'
import { test } from './engines.ts'
import { AUTHOR, buildApp, listen, PASSWORD, ROOT, signIn } from './helpers.ts'

const CHROMIUM = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome'
].find((file) => file !== undefined && existsSync(file))

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
]

const REPORT_VIOLATIONS = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('blocked by the policy:', event.violatedDirective, event.blockedURI, event.sourceFile))`

/** What the accessibility rule `select-name` and its like find. */
const NAMELESS = `[...document.querySelectorAll('select, textarea')]
  .filter((field) => !field.ariaLabel && ![...field.labels].some(({ innerText }) => innerText.trim()))
  .map(({ outerHTML }) => outerHTML)`

// biome-ignore lint/suspicious/noExplicitAny: Playwright's types are in tools/, which the type check does without
type Page = any

/** A page of a fresh browser, and what it asked for and complained of so far. */
async function openBrowser(t: Test) {
  const { chromium } = createRequire(new URL('../tools/package.json', import.meta.url))('playwright-core')
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS })
  t.teardown(() => browser.close())
  const page: Page = await browser.newPage({ viewport: { width: 1280, height: 1600 } })
  page.setDefaultTimeout(20_000)
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request: { url(): string }) => requests.push(request.url()))
  page.on('pageerror', (error: Error) => complaints.push(String(error)))
  page.on('console', (message: { type(): string; text(): string }) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  await page.addInitScript(REPORT_VIOLATIONS)
  return { page, requests, complaints }
}

/** Opens an operation, fills in its body, presses Execute, and gives what the page then shows. */
async function execute(page: Page, operation: string, body?: object) {
  const block = page.locator(`[id="operations-${operation}"]`)
  await block.locator('.opblock-summary-control').click()
  if (body !== undefined) await block.locator('.body-param__text').fill(JSON.stringify(body))
  await block.getByRole('button', { name: 'Execute' }).click()
  const answer = block.locator('.live-responses-table')
  const status = await answer.locator('tbody .response-col_status').textContent()
  const json = await answer
    .locator('tbody .response-col_description .highlight-code code')
    .first()
    .textContent()
  return { status: status.trim(), json: JSON.parse(json) }
}

/** Fills in a form of the Authorize dialog; the fields are named by their labels. */
async function authorize(page: Page, fields: Record<string, string>) {
  await page.locator('.auth-wrapper > .authorize').click()
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label).fill(value)
  const form = page.locator('form', { has: page.getByLabel(Object.keys(fields)[0]) })
  await form.getByRole('button', { name: 'Apply credentials' }).click()
  await page.locator('.close-modal').click()
}

test('a person gets from registering to a list of authors in /docs, and nothing is loaded from elsewhere', {
  skip: CHROMIUM === undefined && 'Chromium is not installed'
}, async (t) => {
  const { url } = await listen(t)
  const { page, requests, complaints } = await openBrowser(t)
  await page.goto(`${url}/docs`)

  const registered = await execute(page, 'account-register', { username: 'salman', password: PASSWORD })
  t.match(registered, { status: '201', json: { username: 'salman' } })

  await authorize(page, { 'auth-basic-username': 'salman', 'auth-basic-password': PASSWORD })
  const loggedIn = await execute(page, 'account-login')
  t.match(loggedIn, { status: '200', json: { token_type: 'Bearer', access_token: String } })

  await authorize(page, { 'auth-bearer-value': loggedIn.json.access_token })
  const created = await execute(page, 'authors-createAuthor', AUTHOR)
  t.match(created, { status: '201', json: AUTHOR })
  const listed = await execute(page, 'authors-listAuthors')
  t.match(listed, { status: '200', json: { data: [{ id: created.json.id, ...AUTHOR }], next: null } })

  for (const operation of ['authors-importAuthors', 'authors-patchAuthor'])
    await page.locator(`[id="operations-${operation}"] .opblock-summary-control`).click()
  await page.locator('[id="operations-authors-patchAuthor"] textarea').waitFor()
  t.ok((await page.locator('select, textarea').count()) > 20)
  t.strictSame(await page.evaluate(NAMELESS), [], 'every field has a name that can be heard')

  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true })
  t.strictSame([...new Set(requests.map((address) => new URL(address).origin))], [url])
  t.strictSame(complaints, [], 'nothing is blocked, nothing fails')
})

t.test('/docs is a page whose policy lets only its own scripts run', async (t) => {
  const server = await buildApp(t)
  const page = await server.inject('/docs')
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-type'], /^text\/html/)
  const policy = String(page.headers['content-security-policy'])
  t.match(policy, /(^|; )default-src 'none'(;|$)/)
  t.match(policy, /(^|; )script-src 'self'(;|$)/)
  t.notMatch(policy, /unsafe-(inline|eval|hashes)/)
  t.notMatch(page.body, /https?:/, 'the page names nothing elsewhere')
  t.notMatch(page.body, /<script(?! src=)/, 'and has no script of its own')

  const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address as string)
  t.ok(
    assets.some((address) => address.endsWith('.css')) && assets.some((address) => address.endsWith('.js'))
  )
  for (const asset of assets) t.equal((await server.inject(asset)).statusCode, 200, asset)
})

t.test('a file that the docs do not have is a problem like any other', async (t) => {
  const server = await buildApp(t)
  for (const url of ['/docs/static/nothing.js', '/docs/static/']) {
    const answer = await server.inject(url)
    t.match(answer.json(), { code: 'ROUTE_NOT_FOUND', status: 404, instance: answer.headers['x-request-id'] })
  }
})

t.test(
  'who presses Execute at each example loses no account, no password, and nothing of the seed',
  async (t) => {
    const server = await buildApp(t)
    const { schemas } = (await server.inject('/openapi.json')).json().components
    const exampleOf = (name: string) => schemas[name].examples[0]
    const { password } = exampleOf('Registration')
    t.not(exampleOf('ConfirmPassword').password, password)
    t.not(exampleOf('ChangePassword').current_password, password)

    const seed = readFileSync(path.join(ROOT, 'data-samples/booker-winners.csv'), 'utf8')
    const { headers } = await signIn(server)
    const send = (
      method: 'POST' | 'PUT' | 'PATCH',
      url: string,
      payload: object | string,
      type = 'application/json'
    ) => server.inject({ method, url, payload, headers: { ...headers, 'content-type': type } })
    t.equal((await send('POST', '/authors/import', seed, 'text/csv')).statusCode, 200)
    const created = await send('POST', '/authors', exampleOf('CreateAuthor'))
    t.equal(created.statusCode, 201)
    const author = AuthorParams.properties.author.examples[0]
    t.equal(created.json().slug, author, 'the address of the examples is that of the author')
    for (const [method, name] of [
      ['PUT', 'ReplaceAuthor'],
      ['PATCH', 'PatchAuthor']
    ] as const)
      t.equal((await send(method, `/authors/${author}`, exampleOf(name))).statusCode, 200, name)
    for (const [type, name] of [
      ['text/csv', 'AuthorsCsv'],
      ['application/x-ndjson', 'AuthorsNdjson']
    ] as const) {
      const answer = await send('POST', '/authors/import', exampleOf(name), type)
      t.match(answer.json(), { refused: 0 }, name)
    }
  }
)

t.test('/openapi.json is OpenAPI 3.1', async (t) => {
  const server = await buildApp(t)
  const answer = await server.inject('/openapi.json')
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], /^application\/json/)
  t.match(answer.json().openapi, /^3\.1\.\d+$/)
})
