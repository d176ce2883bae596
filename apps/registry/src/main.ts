import { parseCompatibilityLevel, SchemaRegistry } from '@fairlead/schemas'
import { invariant } from '@fairlead/base'
import { releaseMemory } from '@fairlead/runtime'
import { runApp } from '@fairlead/service'
import { REGISTRY_CONFIG } from './config.ts'
import { registryRoutes } from './http/registry-routes.ts'
import { RegistryRequests } from './http/registry-requests.ts'
import { SERVER_OPTIONS } from './http/server-options.ts'
import { countChanges, registryMetrics } from './metrics.ts'
import { Authenticator } from './security/authenticator.ts'
import type { GuardOptions } from './security/guard.ts'
import { readUsers } from './security/users.ts'
import { KafkaSchemaLog } from './store/kafka-schema-log.ts'
import { RegistryStore } from './store/registry-store.ts'

const VERSION = '0.1.0'

/** Confluent's schema registry, with its state in the topic `_schemas`. */
await runApp({
  name: 'registry',
  version: VERSION,
  description: "A schema registry with Confluent's REST API, kept in a Kafka topic.",
  envPrefix: 'SCHEMA_REGISTRY_',
  httpPort: 8081,
  spec: REGISTRY_CONFIG,
  fastify: SERVER_OPTIONS,
  async start({ config, logger, metrics, health, http, listen, fail }) {
    const level = parseCompatibilityLevel(config['schema.compatibility.level'])
    invariant(level !== undefined, 'the configuration allows known levels only')
    const registry = new SchemaRegistry({
      defaultCompatibilityLevel: level,
      profile: config.profile === '7' ? 7 : 8,
    })
    const store = new RegistryStore({
      registry,
      logger,
      timeoutMs: config['kafkastore.timeout.ms'],
      onState: (state) => health.set('store', state),
      onWriting: countChanges(metrics, registry),
      // Reading a large topic leaves as much garbage as the image has memory, and V8 is in no hurry.
      onCaughtUp: releaseMemory,
      onFatal: fail,
      log: new KafkaSchemaLog({
        bootstrapServers: config['kafkastore.bootstrap.servers'],
        clientId: 'schema-registry',
        topic: config['kafkastore.topic'],
        replicationFactor: config['kafkastore.topic.replication.factor'],
        // Readiness must tell of a lost broker soon, not after the client's own 30 s.
        requestTimeoutMs: config['kafkastore.timeout.ms'],
        deliveryTimeoutMs: config['kafkastore.timeout.ms'] * 2,
        logger,
      }),
    })
    const { onCheck } = registryMetrics(metrics, { registry, store, http })
    const guard = await guardOf(config, logger)
    registryRoutes(http, {
      ...(guard === undefined ? {} : { guard }),
      requests: new RegistryRequests(registry, store),
      metadata: { version: VERSION, clusterName: config['schema.registry.group.id'] },
      onCheck,
    })
    store.start()
    await listen()
    return { stop: () => store.close() }
  },
})

type Security = {
  readonly 'authentication.method': string
  readonly 'authentication.realm': string
  readonly 'authentication.users.file': string
}

/** @throws {Error} for a file of users that is not one. */
async function guardOf(
  config: Security,
  audit: GuardOptions['audit'],
): Promise<Omit<GuardOptions, 'view'> | undefined> {
  if (config['authentication.method'] !== 'BASIC') return undefined
  const authenticator = new Authenticator(await readUsers(config['authentication.users.file']))
  return { authenticator, realm: config['authentication.realm'], audit }
}
