import { flushCompileCache } from 'node:module'
import { availableParallelism } from 'node:os'
import { brokerSecurity } from '@fairlead/broker-security'
import {
  PayloadEncoders,
  ReaderReports,
  createAvroSerde,
  createRegistryClient,
} from '@fairlead/serde'
import { type ConfigOf, registryCredentials, runApp } from '@fairlead/service'
import { PROJECTOR_CONFIG, projectorConfigProblems } from './config.ts'
import { loadProjections, refuseWithoutTenants } from './load-projections.ts'
import { addLetterRoutes } from './letters/letter-routes.ts'
import { kafkaEventLog } from './log/kafka-event-log.ts'
import { Projector, type ProjectorOptions } from './projector.ts'
import type { FoldSources } from './rebuild/fold-thread.ts'
import { mirrorOf } from './store/mirror-letters.ts'
import { takeStrictly } from './strict-requests.ts'
import { addRoutes } from './routes.ts'
import { CONNECTION_TIMEOUT_MS } from './version-routes.ts'

await runApp({
  name: 'projector',
  version: '0.1.0',
  description: 'Runs projections: events of the log become rows of read models in Postgres.',
  envPrefix: 'PROJECTOR_',
  httpPort: 8084,
  spec: PROJECTOR_CONFIG,
  needsCredentials: true,
  fastify: { connectionTimeout: CONNECTION_TIMEOUT_MS },
  check: projectorConfigProblems,
  start: async ({ config, logger, metrics, health, http, fail }) => {
    const projections = await loadProjections(config.projections)
    refuseWithoutTenants(projections, config['tenant.header'])
    const includedTenants = config['tenants.include']
    const client = {
      bootstrapServers: config['bootstrap.servers'],
      clientId: 'fairlead-projector',
      security: brokerSecurity(config),
    }
    const registryAccess = { url: config['schema.registry.url'], ...registryCredentials(config) }
    const log = kafkaEventLog(
      { ...client, logger },
      {
        sessionTimeoutMs: config['session.timeout.ms'],
        heartbeatIntervalMs: config['heartbeat.interval.ms'],
        instanceId: config['group.instance.id'],
      },
    )
    const registry = createRegistryClient(registryAccess)
    const reports = new ReaderReports({ registry })
    const projector = new Projector({
      databaseUrl: config['database.url'],
      databaseConnectionsMax: config['database.connections.max'],
      operatorConnectionsMax: config['database.operator.connections.max'],
      log,
      serde: createAvroSerde({ registry }),
      reports,
      projections,
      groupIdPrefix: config['group.id'],
      batchRecordsMax: config['batch.records.max'],
      fetchBytesMax: config['fetch.bytes.max'],
      rowCacheBytesMax: config['row.cache.bytes.max'],
      rebuildMemoryBytesMax: config['rebuild.memory.bytes.max'],
      foldThreads: foldThreadsOf(config['rebuild.threads.max'], {
        ...client,
        modules: config.projections,
        registry: registryAccess,
      }),
      retireAfterMs: config['retire.after.ms'] < 0 ? undefined : config['retire.after.ms'],
      parkedKeysPerMinuteMax: config['parked.keys.per.minute.max'],
      parkedRetry: {
        retries: config['parked.key.retries.max'],
        baseMs: config['parked.key.retry.backoff.ms'],
        maxMs: config['parked.key.retry.backoff.max.ms'],
      },
      eventAheadMaxMs: config['event.time.ahead.max.ms'],
      tenantHeader: config['tenant.header'],
      tenants: {
        ...(includedTenants.length === 0 ? {} : { includedTenants }),
        unknownTenants: config['tenants.unknown'],
        tenantsMax: config['tenants.max'],
      },
      standby: standbyOf(config),
      mirror: mirrorOf(config['errors.deadletterqueue.topic.name'], config['group.id']),
      metrics,
      health,
      logger,
      fail,
    })
    const { operatorDb: db } = projector
    const runners = () => projector.runners
    takeStrictly(http)
    addRoutes(http, {
      db,
      log,
      runners,
      registered: () => projector.registered,
      rateOf: (schemaName) => projector.rateOf(schemaName),
      onChange: () => projector.refresh(),
      isStopping: () => projector.isStopping,
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
// A process that is killed later does not leave it to the next one to compile all of this again.
flushCompileCache()

function standbyOf(config: ConfigOf<typeof PROJECTOR_CONFIG>): ProjectorOptions['standby'] {
  const instanceId = config['group.instance.id']
  if (!config['standby.enabled'] || instanceId === undefined) return undefined
  return {
    name: `${config['group.id']} ${instanceId}`,
    goneAfterMs: config['session.timeout.ms'],
  }
}

/** More threads than processors would only take turns. */
function foldThreadsOf(threadsMax: number, sources: FoldSources): ProjectorOptions['foldThreads'] {
  if (threadsMax === 0) return undefined
  return { sources, threadsMax: Math.min(threadsMax, availableParallelism()) }
}
