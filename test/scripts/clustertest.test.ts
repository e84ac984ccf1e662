import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { ClusterCampaign, type Scenario } from '../../scripts/cluster/campaign.ts'
import { Follower } from '../../scripts/cluster/follower.ts'
import { BACKEND, HAPROXY } from '../../scripts/cluster/haproxy.ts'
import { DATABASE, until } from '../../scripts/cluster/postgres.ts'
import { backendKill, failover, instanceKill, rollingRestart } from '../../scripts/cluster/scenarios.ts'
import type { Journal } from '../../scripts/crash/journal.ts'
import type { Change, Life } from '../../scripts/crash/life.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const WRITERS = 16
const ANSWERS = 150
const skip = HAPROXY === undefined && 'haproxy is not installed'

/** What is done to an author that was acknowledged, and what must be told of it; or with `isRead` only if it is looked at. */
const ID = "record::jsonb ->> 'id' = $1"
const DAMAGES: [statement: string, fault: RegExp, isRead: boolean][] = [
  [`delete from authors where ${ID}`, /^lost: the whole of author /, false],
  [`update authors set record = record || ' ' where ${ID}`, /^changed: GET of author /, true],
  [
    "delete from idempotency_keys where body::jsonb ->> 'id' = $1",
    /^sent again: the creation of author .+ was answered 409 /,
    true
  ],
  [
    // Nothing that is asked later needs a creation, as a restore needs the deletion.
    `delete from changes where $1 <> '' and sequence = (select max(sequence) from changes
      where operation = 'created' and sequence <= (select max(sequence) - 30 from changes))`,
    /^no whole feed: \d+ is followed by \d+$/,
    false
  ]
]

/** As it would be without a synchronous standby. */
const lossyFailover = (journal: Journal): Scenario => ({
  ...failover,
  async act(cluster) {
    await cluster.primary.setSynchronous(false)
    await cluster.standby.stopFollowing()
    const { acknowledged } = journal
    await until(() => journal.acknowledged > acknowledged + WRITERS, 'no more is acknowledged')
    return failover.act(cluster)
  }
})

t.test('the balancer is that of the document', async (t) => {
  const document = readFileSync(path.join(ROOT, 'docs/scaling.md'), 'utf8')
  t.ok(document.includes(`backend instances${BACKEND}  server a `))
})

t.test('a cluster loses nothing, and its clients notice little', { skip }, async (t) => {
  const campaign = await ClusterCampaign.begin(temporaryFolder(t), WRITERS)
  t.teardown(() => campaign.end())
  const { cluster, journal } = campaign
  const faultsOf = async (scenario: Scenario) => {
    const report = journal.report()
    const { answered, failed, recovery } = await campaign.run(scenario, ANSWERS)
    const { counts, faults } = report()
    t.comment(`${scenario.name}: ${answered} answered, ${failed} failed, after ${recovery} ms`, counts)
    return faults
  }

  await t.test('restarts and kills', async (t) => {
    for (const scenario of [rollingRestart, instanceKill, backendKill, failover])
      t.same(await faultsOf(scenario), [], scenario.name)
    t.ok(journal.acknowledged > 0)
  })

  await t.test('it sees a request that fails during a restart', async (t) => {
    const abrupt: Scenario = { ...instanceKill, whyWrong: rollingRestart.whyWrong }
    const faults: string[] = []
    // Perhaps it was working on nothing that cannot be sent again.
    for (let tries = 0; faults.length === 0 && tries < 5; tries++) faults.push(...(await faultsOf(abrupt)))
    t.match(faults, [/^failed \(nothing may fail while instances are restarted\): /])
  })

  await t.test('it sees what is lost, changed, made twice, or missing in the feed', async (t) => {
    // The oldest, of which no client does more.
    const lives = [...journal.lives].filter(
      ({ author, key, versions }) => author && key && versions.length === 1
    )
    const damages = DAMAGES.map((damage, index) => [...damage, lives[index] as Life] as const)
    const damaging: Scenario = {
      name: 'damages',
      async act({ primary }) {
        for (const [statement, , isRead, life] of damages) {
          const { rowCount } = await primary.use((client) => client.query(statement, [life.id]), DATABASE)
          t.equal(rowCount, 1, statement)
          if (isRead) journal.touched.add(life)
        }
        return async () => {}
      },
      whyWrong: () => 'nothing was stopped'
    }
    const faults = await faultsOf(damaging)
    const isTold = (fault: RegExp) => faults.some((told) => fault.test(told))
    for (const [, fault] of damages) t.ok(isTold(fault), String(fault))
    t.ok(isTold(/^the stream told of change \d+, which is not in the feed$/))
    t.ok(isTold(/^lost: changes \d+ to \d+ in the feed of author /))
  })

  await t.test('it sees what a stream has skipped', async (t) => {
    const follower = new Follower(journal, cluster.client)
    const report = journal.report()
    await follower.compare([{ sequence: 0 } as Change])
    t.same(report().faults, ['the stream has skipped change 0'])
  })

  await t.test('it sees that a standby which is not synchronous loses writes', async (t) => {
    const faults = await faultsOf(lossyFailover(journal))
    t.ok(faults.some((told) => told.startsWith('lost: ')))
  })
})
