import { parseCompatibilityLevel, SchemaRegistry } from '@fairlead/schemas'
import { invariant } from '@fairlead/base'
import { brokerSecurity, unprefixedSecurityConfig } from '@fairlead/broker-security'
import { releaseMemory } from '@fairlead/runtime'
import { runApp } from '@fairlead/service'
import type { FastifyInstance } from 'fastify'
import { Inquiries } from './checking/inquiries.ts'
import { InquiryThread } from './checking/inquiry-thread.ts'
import { KAFKASTORE, REGISTRY_CONFIG, registryConfigProblems } from './config.ts'
import { configuredListeners } from './http/configured-listeners.ts'
import { registryRoutes } from './http/registry-routes.ts'
import { RegistryRequests } from './http/registry-requests.ts'
import { SERVER_OPTIONS } from './http/server-options.ts'
import { countChanges, registryMetrics } from './metrics.ts'
import { nativeMd5 } from './guids.ts'
import { ConsumerReaders } from './readers/consumer-readers.ts'
import { configuredGuard, configuredLimits } from './security/configured-guard.ts'
import { KafkaSchemaLog } from './store/kafka-schema-log.ts'
import { RegistryStore } from './store/registry-store.ts'

const VERSION = '0.1.0'

const HEAP_RELEASED_FROM_BYTES = 100 * 1024 * 1024

/**
 * Reading a large topic leaves as much garbage as the image has memory, and V8 is in no hurry. A small
 * one leaves little, and V8 would begin again with a young generation that it collects three times as
 * often, which is a tenth of the time of every request.
 */
function releaseLargeHeap(): void {
  if (process.memoryUsage().heapTotal > HEAP_RELEASED_FROM_BYTES) releaseMemory()
}

/** Confluent's schema registry, with its state in the topic `_schemas`. */
await runApp({
  name: 'registry',
  version: VERSION,
  description: "A schema registry with Confluent's REST API, kept in a Kafka topic.",
  envPrefix: 'SCHEMA_REGISTRY_',
  httpPort: 8081,
  spec: REGISTRY_CONFIG,
  check: registryConfigProblems,
  fastify: SERVER_OPTIONS,
  async start({ config, logger, metrics, health, http, listen, fail }) {
    const level = parseCompatibilityLevel(config['schema.compatibility.level'])
    invariant(level !== undefined, 'the configuration allows known levels only')
    const profile = config.profile === '7' ? 7 : 8
    const registry = new SchemaRegistry(
      { defaultCompatibilityLevel: level, profile },
      { digest: nativeMd5 },
    )
    const store = new RegistryStore({
      registry,
      logger,
      timeoutMs: config['kafkastore.timeout.ms'],
      onState: (state) => health.set('store', state),
      onWriting: countChanges(metrics, registry),
      onCaughtUp: releaseLargeHeap,
      onFatal: fail,
      log: new KafkaSchemaLog({
        bootstrapServers: config['kafkastore.bootstrap.servers'],
        clientId: 'schema-registry',
        security: brokerSecurity(unprefixedSecurityConfig(KAFKASTORE, config)),
        topic: config['kafkastore.topic'],
        replicationFactor: config['kafkastore.topic.replication.factor'],
        // Readiness must tell of a lost broker soon, not after the client's own 30 s.
        requestTimeoutMs: config['kafkastore.timeout.ms'],
        deliveryTimeoutMs: config['kafkastore.timeout.ms'] * 2,
        logger,
      }),
    })
    const onEnded = (reason: string): void =>
      logger.warn({ reason }, 'the thread that checks large schemas was ended')
    const inquiries = new Inquiries(registry, new InquiryThread({ onEnded }))
    const measured = registryMetrics(metrics, { registry, store, inquiries })
    const guarded = await configuredGuard(config, logger)
    const parts = {
      guard: guarded?.guard,
      limits: configuredLimits(config),
      requests: new RegistryRequests({ registry, store, inquiries }),
      metadata: { version: VERSION, clusterName: config['schema.registry.group.id'] },
      readers: new ConsumerReaders(() => Date.now()),
      hasAssociations: config['associations.enable'],
      onCheck: measured.onCheck,
    }
    const { onCertificate } = measured
    const addRoutes = (server: FastifyInstance): void => {
      metrics.measureRequests(server)
      registryRoutes(server, parts)
    }
    const listeners = await configuredListeners(config, { addRoutes, logger, onCertificate })
    if (listeners === undefined) registryRoutes(http, parts)
    store.start()
    await listen()
    for (const url of (await listeners?.listen()) ?? []) logger.info({ listener: url }, 'listening')
    return {
      stop: async () => {
        await guarded?.files.close()
        await listeners?.close()
        await inquiries.stop()
        await store.close()
      },
    }
  },
})
