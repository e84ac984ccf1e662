import t, { type Test } from 'tap'
import { register, signIn as signInAs } from '../../../scripts/client/account.ts'
import { ask } from '../../../scripts/client/http.ts'
import { listen, PASSWORD, signIn } from '../../helpers.ts'
import { problem, serve, service } from './fakes.ts'

/** Sets the variables of the environment, and no other of these, until the test ends. */
function setVariables(t: Test, variables: Record<string, string>): void {
  for (const name of ['LIBRARY_TOKEN', 'LIBRARY_USERNAME', 'LIBRARY_PASSWORD']) {
    const before = process.env[name]
    process.env[name] = variables[name] ?? ''
    t.teardown(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

t.test('who one is comes from the environment', async (t) => {
  const { server, url } = await listen(t)
  await signIn(server, 'salman')
  const { token } = await signIn(server, 'anna')
  const account = { LIBRARY_USERNAME: 'salman', LIBRARY_PASSWORD: PASSWORD }
  const good: [Record<string, string>, string][] = [
    [account, 'salman'],
    [{ LIBRARY_TOKEN: token }, 'anna'],
    [{ ...account, LIBRARY_TOKEN: token }, 'anna']
  ]
  for (const [variables, username] of good) {
    setVariables(t, variables)
    t.match(await ask(await signInAs(service(url)), { method: 'GET', path: '/me' }), { username })
  }

  const refused: [Record<string, string>, string][] = [
    [
      { ...account, LIBRARY_PASSWORD: 'secret' },
      `${url} has no account "salman" with this password: check LIBRARY_USERNAME and LIBRARY_PASSWORD.`
    ],
    [{ LIBRARY_USERNAME: 'salman' }, 'Set both LIBRARY_USERNAME and LIBRARY_PASSWORD, or neither.'],
    [{ LIBRARY_PASSWORD: 'secret' }, 'Set both LIBRARY_USERNAME and LIBRARY_PASSWORD, or neither.'],
    [
      { LIBRARY_TOKEN: 'Bearer secret' },
      'LIBRARY_TOKEN is no token: set it to the key or access token alone, without "Bearer".'
    ]
  ]
  for (const [variables, message] of refused) {
    setVariables(t, variables)
    await t.rejects(signInAs(service(url)), { message })
  }
})

t.test('an account can be had without asking, where registration is open', async (t) => {
  const { url } = await listen(t)
  setVariables(t, {})
  const me = await ask(await signInAs(service(url), register), { method: 'GET', path: '/me' })
  t.match(me, { username: /^librarian-[0-9a-f]{6}$/, role: 'editor' })
})

t.test('where it is closed one must have an account', async (t) => {
  const { url } = await listen(t, { REGISTRATION: 'closed' })
  setVariables(t, {})
  await t.rejects(signInAs(service(url), register), {
    message: `Registration is closed at ${url}: set LIBRARY_USERNAME and LIBRARY_PASSWORD to those of an account.`
  })
})

t.test('a busy service is waited for at each step', async (t) => {
  const asked: string[] = []
  const url = await serve(t, (request, response) => {
    const step = request.url as string
    asked.push(step)
    const isFirst = asked.filter((one) => one === step).length === 1
    if (isFirst) problem(response, 503, { code: 'TOO_BUSY', detail: 'Busy.' }, { 'retry-after': '0.05' })
    else response.end('{"access_token":"a.b.c"}')
  })
  setVariables(t, {})
  t.match(await signInAs(service(url), register), { headers: { authorization: 'Bearer a.b.c' } })
  t.same(asked, ['/register', '/register', '/login', '/login'])
})
