/** Limits where several instances serve one database. */
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { findCredentials } from '../../../db/users.ts'
import { newDatabase, test } from '../../engines.ts'
import { basic, buildApp, PASSWORD } from '../../helpers.ts'

const HOME = '192.0.2.1'
const ELSEWHERE = '198.51.100.7'

async function threeInstances(t: Test) {
  const DATABASE_URL = await newDatabase(t)
  const servers: FastifyInstance[] = []
  for (const _instance of [1, 2, 3]) servers.push(await buildApp(t, { DATABASE_URL }))
  const at = (index: number) => servers[index % servers.length] as FastifyInstance
  const registration = { username: 'salman', password: PASSWORD }
  await at(0).inject({ method: 'POST', url: '/register', payload: registration, remoteAddress: ELSEWHERE })
  return at
}

const login = (server: FastifyInstance, password = PASSWORD, remoteAddress = HOME) =>
  server.inject({
    method: 'POST',
    url: '/login',
    remoteAddress,
    headers: { authorization: basic('salman', password) }
  })

/** How many of so many at the same moment, spread over all instances, are let pass. */
async function passing(times: number, attempt: (index: number) => Promise<unknown>): Promise<number> {
  const settled = await Promise.allSettled(Array.from({ length: times }, (_, index) => attempt(index)))
  return settled.filter(({ status }) => status === 'fulfilled').length
}

test('of many requests at the same moment exactly as many pass as may', async (t) => {
  const at = await threeInstances(t)
  const limits = (index: number) => at(index).rateLimits
  t.equal(await passing(150, (index) => limits(index).registration.consume(HOME)), 60)
  t.equal(await passing(330, (index) => limits(index).refresh.consume(HOME)), 300)
  t.equal(await passing(30, (index) => limits(index).passwordReset.consume('salman', HOME)), 5)
  t.equal(await passing(90, (index) => limits(index).passwordReset.consume(`user ${index}`, ELSEWHERE)), 20)
  t.equal(await passing(30, (index) => limits(index).login.failed('anna', ELSEWHERE)), 10)

  const answers = await Promise.all(Array.from({ length: 36 }, (_, index) => login(at(index), 'wrong')))
  const count = (status: number) => answers.filter(({ statusCode }) => statusCode === status).length
  t.strictSame([count(401), count(429)], [10, 26])
})

test('strangers at several instances get one turn of a slowed account', async (t) => {
  const at = await threeInstances(t)
  for (let index = 0; index < 50; index++)
    await at(index).rateLimits.login.failed('salman', `203.0.113.${index}`)
  const turns = await passing(30, (index) =>
    at(index).rateLimits.login.check('salman', `198.51.100.${index}`)
  )
  t.equal(turns, 1)
})

test('a lock is seen by the very next request at every instance, and so is its end', async (t) => {
  const at = await threeInstances(t)
  for (const round of [0, 1]) {
    for (let index = 0; index < 10; index++)
      t.equal((await login(at(round + index), 'wrong')).statusCode, 401)
    for (const index of [0, 1, 2]) t.equal((await login(at(round + index))).statusCode, 429)
    t.equal((await login(at(round), PASSWORD, ELSEWHERE)).statusCode, 200, 'from elsewhere it is not locked')
    const user = (await findCredentials(at(0).db, 'salman')) as { id: string; username: string }
    t.ok((await at(round + 1).rateLimits.unlock('service', user)) > 0)
    for (const index of [2, 0, 1]) t.equal((await login(at(round + index))).statusCode, 200)
  }
})
