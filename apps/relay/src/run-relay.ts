import { createAdmin } from '@fairlead/kafka'
import { createPool } from '@fairlead/postgres'
import { runApp } from '@fairlead/service'
import { OutboxCleaner } from './cleaning/outbox-cleaner.ts'
import { RelayMetrics } from './metrics.ts'
import { relayOptions } from './options.ts'
import { RELAY_APP } from './relay-app.ts'
import { readiness } from './relay-state.ts'
import { Relay } from './relay.ts'
import { relayRoutes } from './routes.ts'
import { BrokerProbe } from './sink/broker-probe.ts'
import { kafkaSink } from './sink/sink-clients.ts'
import { letYoungGenerationGrow } from './small-heap.ts'
import { SlotWatch } from './watch/slot-watch.ts'

/** For the few queries of the HTTP API. */
const HTTP_CONNECTIONS_MAX = 2

letYoungGenerationGrow()
await runApp({
  name: 'relay',
  version: '0.1.0',
  description: 'Publishes the rows of a Postgres outbox to Kafka topics, from the write-ahead log.',
  ...RELAY_APP,
  start: (context) => {
    const options = relayOptions(context.config)
    const metrics = new RelayMetrics(context.metrics)
    const watch = new SlotWatch({
      databaseUrl: options.databaseUrl,
      slotName: options.source.slotName,
      ...options.wal,
      metrics,
      logger: context.logger,
      onState: (state) => context.health.set('slot', state),
    })
    const relay = new Relay({
      options,
      openSink: kafkaSink(options.sink, context.logger),
      metrics,
      logger: context.logger,
      isSnapshotHeldBack: () => watch.isSnapshotHeldBack,
      onState: (state, reason) => context.health.set('relay', readiness(state, reason)),
      onHeartbeat: (state) => context.health.set('heartbeat', state),
      onFatal: (error) => context.fail(error),
    })
    const pool = createPool({
      url: options.databaseUrl,
      max: HTTP_CONNECTIONS_MAX,
      applicationName: 'fairlead-relay-http',
      logger: context.logger,
    })
    let brokerState: true | string = 'no broker was asked yet'
    relayRoutes(context.http, {
      relay,
      watch,
      pool,
      slotName: options.source.slotName,
      options,
      brokerState: () => brokerState,
    })
    const probe = new BrokerProbe(
      createAdmin({
        bootstrapServers: options.sink.bootstrapServers,
        clientId: `${options.sink.clientId}-probe`,
        security: options.sink.security,
      }),
      (state) => {
        brokerState = state
        context.health.set('broker', state)
      },
    )
    const cleaner = new OutboxCleaner({
      databaseUrl: options.databaseUrl,
      slotName: options.source.slotName,
      metrics,
      logger: context.logger,
    })
    probe.start()
    relay.start()
    watch.start()
    cleaner.start()
    return Promise.resolve({
      stop: async () => {
        await relay.stop()
        await Promise.all([probe.stop(), watch.stop(), cleaner.stop(), pool.end()])
      },
    })
  },
})
