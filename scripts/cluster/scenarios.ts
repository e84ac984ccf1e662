import { randomInt } from 'node:crypto'
import type { Failure } from './asking.ts'
import type { Scenario } from './campaign.ts'
import { until } from './postgres.ts'

const nothing = async () => {}

/** All instances are restarted one after the other: nobody notices. */
export const rollingRestart: Scenario = {
  name: 'rolling restart',
  async act(cluster) {
    await cluster.restartAll()
    return nothing
  },
  whyWrong: () => 'nothing may fail while instances are restarted'
}

/** An instance is killed: only what it was working on fails, and of that nothing that can be sent again. */
export const instanceKill: Scenario = {
  name: 'kill of an instance',
  async act(cluster) {
    const index = randomInt(3)
    await cluster.killInstance(index)
    return () => cluster.startAgain(index)
  },
  whyWrong: (failure, doneAt) => {
    if (failure.begunAt > doneAt) return 'it began after the instance was gone'
    return canBeSentAgain(failure) ? 'the balancer can send it to another instance' : undefined
  }
}

/** The primary is killed and the standby promoted: nothing that was acknowledged is lost. */
export const failover: Scenario = {
  name: 'failover',
  async act(cluster) {
    await cluster.failOver()
    return () => cluster.addStandby()
  },
  whyWrong: ({ isPolite }) => (isPolite ? undefined : 'it is no 503 of the service with Retry-After')
}

/** Connections of the service are ended by the database, one kind or all: the service opens others. */
export const backendKill: Scenario = {
  name: 'kill of backends',
  async act(cluster) {
    const where = ['true', "application_name = 'library-api writes'", 'random() < 0.5'][
      randomInt(3)
    ] as string
    const end = () => cluster.primary.terminate(`application_name like 'library-api%' and ${where}`)
    await until(async () => (await end()) > 0, 'no connection was ended')
    return nothing
  },
  whyWrong: ({ call: { method = 'GET' }, isPolite }) => {
    if (method === 'GET') return 'the service can read on another connection'
    // A commit that is no longer waited for may be on no standby.
    return isPolite ? undefined : 'it is no 503 of the service with Retry-After'
  }
}

function canBeSentAgain({ call: { method = 'GET', headers } }: Failure): boolean {
  return method === 'GET' || headers?.['idempotency-key'] !== undefined
}
