import { runApp } from '@fairlead/service'
import { type RunningBroker, startBroker } from './broker.ts'
import { BROKER_CONFIG_ALL, BROKER_UNSUPPORTED } from './config.ts'
import { configProblems } from './config-rules.ts'
import { registerOperatorRoutes } from './operator-routes.ts'

await runApp({
  name: 'broker',
  version: '0.1.0',
  description: 'One node of a Fairlead cluster: a log broker that speaks the protocol of Kafka.',
  envPrefix: 'KAFKA_',
  httpPort: 9644,
  spec: BROKER_CONFIG_ALL,
  unsupported: BROKER_UNSUPPORTED,
  check: configProblems,
  async start({ config, configTexts, logger, metrics, health, http, listen, fail }) {
    health.set('broker', 'recovering the logs')
    let broker: RunningBroker | undefined
    registerOperatorRoutes(http, health, () => broker)
    await listen()
    broker = await startBroker({ config, configTexts, logger, metrics, onFailure: fail })
    health.set('broker', true)
    return broker
  },
})
