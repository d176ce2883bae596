import type { GroupEvent } from '@fairlead/coordinator'
import type { Metrics } from '@fairlead/service'
import type { Counter } from 'prom-client'

const PREFIX = 'kafka_server_group_coordinator_metrics'

/** What happens in groups, counted under the names of Kafka's `group-coordinator-metrics`. */
export class GroupMetrics {
  readonly #commits: Counter
  readonly #expirations: Counter
  readonly #deletions: Counter
  readonly #rebalances: Counter
  readonly #completedRebalances: Counter

  constructor(metrics: Metrics) {
    const counter = (name: string, help: string): Counter =>
      metrics.counter({ name: `${PREFIX}_${name}`, help })
    this.#commits = counter('offset_commit_count', 'Offsets committed.')
    this.#expirations = counter('offset_expiration_count', 'Offsets that expired.')
    this.#deletions = counter(
      'offset_deletion_count',
      'Offsets deleted by request or with a topic.',
    )
    this.#rebalances = counter('group_rebalance_count', 'Rebalances begun.')
    this.#completedRebalances = counter('group_completed_rebalance_count', 'Rebalances completed.')
  }

  happened(event: GroupEvent): void {
    switch (event.kind) {
      case 'offsetsCommitted':
        return this.#commits.inc(event.count)
      case 'offsetsExpired':
        return this.#expirations.inc(event.count)
      case 'offsetsDeleted':
        return this.#deletions.inc(event.count)
      case 'rebalanceBegan':
        return this.#rebalances.inc()
      case 'generationCompleted':
        return this.#completedRebalances.inc()
      case 'generationBegan':
      case 'groupEmptied':
      case 'groupDeleted':
        return
    }
  }
}
