import {
  PayloadEncoders,
  ReaderReports,
  createAvroSerde,
  createRegistryClient,
} from '@fairlead/serde'
import { runApp } from '@fairlead/service'
import { PROJECTOR_CONFIG } from './config.ts'
import { loadProjections } from './load-projections.ts'
import { addLetterRoutes } from './letters/letter-routes.ts'
import { kafkaEventLog } from './log/kafka-event-log.ts'
import { Projector } from './projector.ts'
import { mirrorOf } from './store/mirror-letters.ts'
import { takeStrictly } from './strict-requests.ts'
import { addRoutes } from './routes.ts'

await runApp({
  name: 'projector',
  version: '0.1.0',
  description: 'Runs projections: events of the log become rows of read models in Postgres.',
  envPrefix: 'PROJECTOR_',
  httpPort: 8084,
  spec: PROJECTOR_CONFIG,
  needsCredentials: true,
  start: async ({ config, logger, metrics, health, http, fail }) => {
    const projections = await loadProjections(config.projections)
    const log = kafkaEventLog(
      { bootstrapServers: config['bootstrap.servers'], clientId: 'fairlead-projector', logger },
      {
        sessionTimeoutMs: config['session.timeout.ms'],
        heartbeatIntervalMs: config['heartbeat.interval.ms'],
        instanceId: config['group.instance.id'],
      },
    )
    const registry = createRegistryClient({ url: config['schema.registry.url'] })
    const reports = new ReaderReports({ registry })
    const projector = new Projector({
      databaseUrl: config['database.url'],
      databaseConnectionsMax: config['database.connections.max'],
      log,
      serde: createAvroSerde({ registry }),
      reports,
      projections,
      groupIdPrefix: config['group.id'],
      batchRecordsMax: config['batch.records.max'],
      fetchBytesMax: config['fetch.bytes.max'],
      rebuildMemoryBytesMax: config['rebuild.memory.bytes.max'],
      parkedKeysPerMinuteMax: config['parked.keys.per.minute.max'],
      eventAheadMaxMs: config['event.time.ahead.max.ms'],
      tenantHeader: config['tenant.header'],
      mirror: mirrorOf(config['errors.deadletterqueue.topic.name'], config['group.id']),
      metrics,
      health,
      logger,
      fail,
    })
    const { db } = projector
    const runners = () => projector.runners
    takeStrictly(http)
    addRoutes(http, {
      db,
      log,
      runners,
      registered: () => projector.registered,
      rateOf: (schemaName) => projector.rateOf(schemaName),
      onChange: () => projector.refresh(),
    })
    const payloads = new PayloadEncoders({
      registry,
      latestTtlMs: 0,
      nowMs: () => performance.now(),
    })
    addLetterRoutes(http, { db, runners, payloads })
    return {
      stop: () => {
        reports.close()
        return projector.stop()
      },
    }
  },
})
