import { join } from 'node:path'
import { environmentName } from '@fairlead/service'
import type { Endpoints } from './endpoints.ts'
import type { Ports } from './ports.ts'
import type { ProcessSpec } from './supervised-process.ts'

const ROOT = join(import.meta.dirname, '../../../..')
const READY_TIMEOUT_MS = 1_000

/** The broker, which needs nothing but its folder. */
export function brokerPart(dataDirectory: string, ports: Ports): ProcessSpec {
  return nodePart({
    name: 'broker',
    entry: 'apps/broker/src/main.ts',
    envPrefix: 'KAFKA_',
    logs: join(dataDirectory, 'logs'),
    url: `http://127.0.0.1:${ports.broker}`,
    config: {
      listeners: `PLAINTEXT://127.0.0.1:${ports.kafka}`,
      'log.dirs': join(dataDirectory, 'kafka'),
      // One machine, one member: there is nobody to wait for.
      'group.initial.rebalance.delay.ms': '0',
    },
  })
}

/** Everything that stands on Postgres and broker, each with the configuration that joins it to them. */
export function appParts(options: {
  readonly logs: string
  readonly endpoints: Endpoints
  readonly ordersPerSecond: number
  /** Modules beside the shop's. */
  readonly projections: readonly string[]
}): readonly ProcessSpec[] {
  const { logs, endpoints } = options
  return [
    nodePart({
      name: 'registry',
      entry: 'apps/registry/src/main.ts',
      envPrefix: 'SCHEMA_REGISTRY_',
      logs,
      url: endpoints.registry,
      config: { 'kafkastore.bootstrap.servers': endpoints.kafka },
    }),
    nodePart({
      name: 'relay',
      entry: 'apps/relay/src/main.ts',
      envPrefix: 'RELAY_',
      logs,
      url: endpoints.relay,
      config: { 'database.url': endpoints.postgres, 'bootstrap.servers': endpoints.kafka },
    }),
    nodePart({
      name: 'projector',
      entry: 'apps/projector/src/main.ts',
      envPrefix: 'PROJECTOR_',
      logs,
      url: endpoints.projector,
      config: {
        'database.url': endpoints.postgres,
        'bootstrap.servers': endpoints.kafka,
        'schema.registry.url': endpoints.registry,
        // A name of its own lets it back into its groups at once after a kill -9.
        'group.instance.id': 'dev',
        projections: [
          join(ROOT, 'examples/shop/src/projections.ts'),
          ...options.projections,
        ].join(),
      },
    }),
    nodePart({
      name: 'shop',
      entry: 'examples/shop/src/main.ts',
      envPrefix: 'SHOP_',
      logs,
      url: endpoints.shop,
      config: {
        'database.url': endpoints.postgres,
        'schema.registry.url': endpoints.registry,
        'traffic.orders.per.second': String(options.ordersPerSecond),
      },
    }),
  ]
}

function nodePart(part: {
  readonly name: string
  readonly entry: string
  readonly envPrefix: string
  readonly logs: string
  /** Where it serves its health. */
  readonly url: string
  readonly config: Readonly<Record<string, string>>
}): ProcessSpec {
  const keys = Object.entries({ ...part.config, 'http.port': new URL(part.url).port })
  return {
    name: part.name,
    command: process.execPath,
    args: [join(ROOT, part.entry)],
    // The environment and not flags: a password on a command line is readable by every user.
    env: Object.fromEntries(
      keys.map(([key, value]) => [environmentName(part.envPrefix, key), value]),
    ),
    logPath: join(part.logs, `${part.name}.log`),
    stopSignal: 'SIGTERM',
    isReady: () => answersReady(part.url),
  }
}

async function answersReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}
