import { Journal } from '../crash/journal.ts'
import { Asker, type Failure } from './asking.ts'
import { Cluster } from './cluster.ts'
import { ClusterComparison } from './comparison.ts'
import { Follower } from './follower.ts'
import { until } from './postgres.ts'
import { ClusterVisitor } from './visitor.ts'
import { ClusterWriter } from './writer.ts'

const VISITORS = 1
const FOLLOWERS = 2
const PATIENCE_MS = 120_000

/** What is done to the cluster while its clients work. */
export interface Scenario {
  name: string
  /** Does it; gives what is to be done once the clients have been seen to work again. */
  act(cluster: Cluster): Promise<() => Promise<void>>
  /** Why a request must not have failed; undefined where it may. `doneAt` is when `act` was done. */
  whyWrong(failure: Failure, doneAt: number): string | undefined
}

export interface Round {
  answered: number
  failed: number
  /** How long the clients waited for the next answer after it was done, in ms. */
  recovery: number
}

/** The same clients with one cluster, round after round. */
export class ClusterCampaign {
  readonly cluster: Cluster
  readonly journal = new Journal()
  readonly #comparison: ClusterComparison
  readonly #asker: Asker
  readonly #writers: ClusterWriter[]
  readonly #visitors: ClusterVisitor[]
  readonly #followers: Follower[]
  readonly #following: Promise<unknown>

  private constructor(cluster: Cluster, writers: number) {
    const { journal } = this
    const { client, userId } = cluster
    this.cluster = cluster
    this.#asker = new Asker(client)
    this.#comparison = new ClusterComparison(journal, userId)
    this.#writers = Array.from({ length: writers }, () => new ClusterWriter(journal, this.#asker))
    this.#visitors = Array.from({ length: VISITORS }, () => new ClusterVisitor(journal, this.#asker))
    this.#followers = Array.from({ length: FOLLOWERS }, () => new Follower(journal, client))
    this.#following = Promise.all(this.#followers.map((follower) => follower.follow()))
  }

  static async begin(folder: string, writers: number): Promise<ClusterCampaign> {
    return new ClusterCampaign(await Cluster.start(folder), writers)
  }

  /** Has the clients work before, while and after something is done to the cluster, and compares. `answers` is how many to wait for. */
  async run({ act, whyWrong }: Scenario, answers: number): Promise<Round> {
    const { answered } = this.#asker
    let isOver = false
    const clients = [
      ...this.#writers.map((writer) => writer.write(() => isOver)),
      ...this.#visitors.map((visitor) => visitor.visit(() => isOver))
    ]
    try {
      await this.#answers(answers)
      const settle = await act(this.cluster)
      const doneAt = performance.now()
      await this.#answers(1)
      const recovery = performance.now() - doneAt
      await this.#answers(answers)
      await settle()
      isOver = true
      await Promise.all(clients)
      const failures = this.#asker.failures.splice(0)
      for (const failure of failures) this.#judge(failure, whyWrong(failure, doneAt))
      await this.compare()
      return { answered: this.#asker.answered - answered, failed: failures.length, recovery }
    } finally {
      isOver = true
    }
  }

  async compare(): Promise<void> {
    await this.#comparison.run(this.cluster.client, this.cluster.instanceClients, this.#followers)
  }

  async end(): Promise<void> {
    for (const follower of this.#followers) follower.end()
    await this.#following
    await this.cluster.end()
  }

  #answers(count: number): Promise<void> {
    const enough = this.#asker.answered + count
    return until(() => this.#asker.answered >= enough, 'the service does not answer', PATIENCE_MS)
  }

  #judge({ call, what }: Failure, why: string | undefined): void {
    if (why !== undefined)
      this.journal.addFault(`failed (${why}): ${call.method ?? 'GET'} ${call.path}: ${what}`)
  }
}
