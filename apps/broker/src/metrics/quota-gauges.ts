import type { Clock } from '@fairlead/base'
import type { ClientQuotas, QuotaReading, QuotaResource } from '@fairlead/metadata'
import type { Metrics } from '@fairlead/service'
import type { Series } from './series.ts'

type Described = {
  readonly name: string
  readonly help: string
  readonly resources: readonly QuotaResource[]
  readonly read: (reading: QuotaReading) => number | undefined
}

const BYTES: readonly QuotaResource[] = ['Produce', 'Fetch']
const ALL: readonly QuotaResource[] = [...BYTES, 'Request', 'ControllerMutation']

const GAUGES: readonly Described[] = [
  {
    name: 'byte_rate',
    help: 'Bytes per second of clients with a quota.',
    resources: BYTES,
    read: ({ rate }) => rate,
  },
  {
    name: 'request_time',
    help: 'Percent of the event loop that clients with a quota use.',
    resources: ['Request'],
    read: ({ rate }) => rate,
  },
  {
    name: 'mutation_rate',
    help: 'Partitions per second that clients with a quota create and delete.',
    resources: ['ControllerMutation'],
    read: ({ rate }) => rate,
  },
  {
    name: 'tokens',
    help: 'Partitions that clients with a quota may create or delete at once; below 0 none.',
    resources: ['ControllerMutation'],
    read: ({ tokens }) => tokens,
  },
  {
    name: 'throttle_time',
    help: 'Average of the waits that clients were told lately, in milliseconds; 0 for none.',
    resources: ALL,
    read: ({ throttleTimeMs }) => throttleTimeMs ?? 0,
  },
]

/**
 * What clients with a quota use, under the names of Kafka's JMX exporter. An empty label stands for
 * everybody: a quota of a user measures all of its client ids together.
 */
export function registerQuotaGauges(
  metrics: Metrics,
  {
    quotas,
    clock,
    series,
  }: { readonly quotas: ClientQuotas; readonly clock: Clock; readonly series: Series },
): void {
  for (const { name, help, resources, read } of GAUGES) {
    const metric = `kafka_server_quota_${name}`
    metrics.gauge({
      name: metric,
      help,
      labelNames: ['resource', 'user', 'clientId'],
      collect() {
        this.reset()
        const hasRoom = series.limit()
        for (const reading of quotas.readings(clock.nowMs())) {
          const { resource, user, clientId } = reading
          const value = resources.includes(resource) ? read(reading) : undefined
          if (value !== undefined && hasRoom()) this.set({ resource, user, clientId }, value)
        }
      },
    })
  }
}
