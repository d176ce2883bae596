import type { AppContext, ConfigSpec, Health } from '@fairlead/service'
import type { RunningBroker } from './broker.ts'

/** As in Kafka's metric `BrokerState`. */
const BROKER_STATES = { recovery: 2, running: 3, shuttingDown: 7 } as const

/**
 * What orchestrators ask a broker, beside `/healthz` and `/readyz`. Strimzi's agent has the same
 * `/v1/ready` and `/v1/broker-state`.
 *
 * Readiness says that clients are served; whether the broker may be stopped is a question of its own:
 * a rolling restart that waits for readiness alone takes partitions offline.
 */
export function registerOperatorRoutes(
  http: AppContext<ConfigSpec>['http'],
  health: Health,
  broker: () => RunningBroker | undefined,
): void {
  http.get('/startupz', (_request, reply) =>
    reply.code(broker() === undefined ? 503 : 200).send({ started: broker() !== undefined }),
  )
  http.get('/v1/ready', (_request, reply) => reply.code(health.isReady ? 204 : 503).send())
  http.get('/v1/broker-state', () => ({ brokerState: brokerState(health, broker()) }))
  http.get('/v1/safe-to-restart', (_request, reply) => {
    const safety = broker()?.restartSafety() ?? {
      isSafe: false,
      reasons: ['the broker is starting'],
      unavailableMeanwhile: 0,
    }
    return reply.code(safety.isSafe ? 200 : 503).send(safety)
  })
}

function brokerState(health: Health, broker: RunningBroker | undefined): number {
  if (broker === undefined) return BROKER_STATES.recovery
  return health.isStopping ? BROKER_STATES.shuttingDown : BROKER_STATES.running
}
