import type { Clock } from '@fairlead/base'
import type { Metrics } from '@fairlead/service'
import type { Listener } from '../network/listener.ts'

/** What clients call their software is theirs to choose: more names than that are shown as one. */
const SOFTWARE_NAMES_MAX = 100
const OTHER_SOFTWARE = 'other/other'
const NETWORK_PROCESSOR = '0'
const RATE_WINDOW_MS = 30_000
const RATE_SAMPLE_MS = 1_000

/** Counters of Kafka's authenticators: without SASL nobody authenticates. */
const AUTHENTICATION = [
  'successful_authentication_total',
  'failed_authentication_total',
  'successful_authentication_rate',
  'failed_authentication_rate',
] as const

/** The connections of each listener, by the names of Kafka's `socket-server-metrics`. */
export function registerSocketGauges(
  metrics: Metrics,
  { listeners, clock }: { readonly listeners: readonly Listener[]; readonly clock: Clock },
): void {
  const labelNames = ['listener', 'networkProcessor'] as const
  const gauge = (name: string, help: string, read: (listener: Listener) => number): void => {
    metrics.gauge({
      name: `kafka_server_socket_server_metrics_${name}`,
      help,
      labelNames,
      collect() {
        for (const listener of listeners) {
          const labels = { listener: listener.name, networkProcessor: NETWORK_PROCESSOR }
          this.set(labels, read(listener))
        }
      },
    })
  }
  gauge('connection_count', 'Open connections.', (listener) => listener.connectionCount)
  gauge(
    'connection_creation_rate',
    'Connections begun per second, over half a minute.',
    ratePerSecond(clock, (listener) => listener.acceptedTotal),
  )
  gauge(
    'connection_close_rate',
    'Connections ended per second, over half a minute.',
    ratePerSecond(clock, (listener) => listener.acceptedTotal - listener.connectionCount),
  )
  for (const name of AUTHENTICATION) gauge(name, 'Always 0: there is no SASL.', () => 0)
  metrics.gauge({
    name: 'kafka_server_socket_server_metrics_connections_software',
    help: 'Open connections by what their client says it is (KIP-511).',
    labelNames: ['clientSoftwareName', 'clientSoftwareVersion', ...labelNames],
    collect() {
      this.reset()
      for (const listener of listeners) {
        for (const [software, count] of softwareOf(listener)) {
          const separator = software.indexOf('/')
          this.set(
            {
              clientSoftwareName: software.slice(0, separator),
              clientSoftwareVersion: software.slice(separator + 1),
              listener: listener.name,
              networkProcessor: NETWORK_PROCESSOR,
            },
            count,
          )
        }
      }
    },
  })
}

/** Over the last half minute or so, whoever scrapes in between. */
function ratePerSecond(
  clock: Clock,
  total: (listener: Listener) => number,
): (listener: Listener) => number {
  const start = { total: 0, nowMs: clock.nowMs() }
  const windows = new Map<Listener, (typeof start)[]>()
  return (listener) => {
    const now = { total: total(listener), nowMs: clock.nowMs() }
    const seen = windows.get(listener) ?? [start]
    windows.set(listener, seen)
    while (seen[1] !== undefined && now.nowMs - seen[1].nowMs >= RATE_WINDOW_MS) seen.shift()
    const first = seen[0] ?? start
    if (now.nowMs - (seen.at(-1)?.nowMs ?? 0) >= RATE_SAMPLE_MS) seen.push(now)
    const elapsedMs = now.nowMs - first.nowMs
    return elapsedMs > 0 ? ((now.total - first.total) * 1e3) / elapsedMs : 0
  }
}

function softwareOf(listener: Listener): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { peer } of listener.connections) {
    const { clientSoftware } = peer
    const isShown = counts.has(clientSoftware) || counts.size < SOFTWARE_NAMES_MAX
    const name = isShown ? clientSoftware : OTHER_SOFTWARE
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
