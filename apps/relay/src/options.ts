import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { errorMessage } from '@fairlead/base'
import { type OutboxRouterOptions, parsePlacements, requiredColumns } from '@fairlead/cdc'
import type { ConfigOf } from '@fairlead/service'
import type { RELAY_CONFIG } from './config.ts'
import { converters, valueOptions } from './converter-options.ts'
import type { SourceOptions } from './source/source-options.ts'

type RelayConfig = ConfigOf<typeof RELAY_CONFIG>

/** What a relay is told, grouped by the part that it concerns. */
export type RelayOptions = {
  readonly databaseUrl: string
  readonly migrationsDirectory: string
  readonly source: SourceOptions
  readonly walSenderTimeoutMs: number
  readonly statusIntervalMs: number
  readonly parkedKeysMax: number
  readonly routing: RoutingOptions
  readonly sink: {
    readonly bootstrapServers: readonly string[]
    readonly clientId: string
    readonly partitions: number
    readonly replicationFactor: number
    readonly batchRecordsMax: number
    readonly batchBytesMax: number
    readonly queueBytesMax: number
    readonly recordBytesMax: number
    readonly deliveryTimeoutMs: number
    readonly deadLetterTopic: string | undefined
  }
}

/** What the configuration says of the router; the rest is known when a session begins. */
type RoutingOptions = Omit<OutboxRouterOptions, 'tables' | 'source' | 'catalog'>

const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))

/** @throws {Error} for a value that `checkRelayConfig` complains of. */
export function relayOptions(config: RelayConfig): RelayOptions {
  const routing = routingOptions(config)
  const { fields } = routing
  return {
    databaseUrl: config['database.url'],
    migrationsDirectory: config['migrations.directory'] ?? MIGRATIONS,
    source: {
      slotName: config['slot.name'],
      failover: config['slot.failover'],
      publicationName: config['publication.name'],
      tables: config['table.include.list'],
      databaseUrl: config['database.url'],
      columns: {
        required: requiredColumns(fields),
        id: fields.id,
        timestamp: fields.timestamp,
      },
      snapshotMode: config['snapshot.mode'],
    },
    walSenderTimeoutMs: config['wal.sender.timeout.ms'],
    statusIntervalMs: config['status.update.interval.ms'],
    parkedKeysMax: config['parked.keys.max'],
    routing,
    sink: {
      bootstrapServers: config['bootstrap.servers'],
      clientId: `fairlead-relay-${config['slot.name']}`,
      partitions: config['topic.creation.default.partitions'],
      replicationFactor: config['topic.creation.default.replication.factor'],
      batchRecordsMax: config['max.batch.size'],
      batchBytesMax: config['max.batch.bytes'],
      queueBytesMax: config['max.queue.size.in.bytes'],
      recordBytesMax: config['producer.max.request.size'],
      deliveryTimeoutMs: config['producer.delivery.timeout.ms'],
      deadLetterTopic: config['errors.deadletterqueue.topic.name'],
    },
  }
}

/** What no single key can say; one line per problem: key, rule and next step. */
export function checkRelayConfig(config: RelayConfig): readonly string[] {
  try {
    const { placements, converters: chosen } = routingOptions(config)
    const hasEnvelope = placements.some(({ placement }) => placement === 'envelope')
    if (!hasEnvelope || !['raw', 'bytes'].includes(chosen.value.kind)) return []
    return [
      `table.fields.additional.placement has an envelope, which value.converter ${chosen.value.kind} cannot write: set value.converter to json`,
    ]
  } catch (error) {
    return [errorMessage(error)]
  }
}

/** A bytea takes two characters a byte in the log; and there are columns that go nowhere. */
const ROW_BYTES_BESIDE_RECORD = 1_048_576

function routingOptions(config: RelayConfig): RoutingOptions {
  const expandJson = {
    nulls: config['table.json.payload.null.behavior'],
    emptyArrays: config['table.json.payload.empty.array.behavior'],
  }
  return {
    fields: {
      id: config['table.field.event.id'],
      key: config['table.field.event.key'],
      route: config['route.by.field'],
      payload: config['table.field.event.payload'],
      type: config['table.field.event.type'],
      timestamp: config['table.field.event.timestamp'],
      headers: config['table.field.event.headers'],
      trace: config['tracing.span.context.field'],
      schemaVersion: config['table.field.event.schema.version'],
      tenant: config['route.tenant.field'],
    },
    placements: namingKey('table.fields.additional.placement', () =>
      parsePlacements(config['table.fields.additional.placement']),
    ),
    isPlacedFieldRequired:
      config['table.field.additional.missing'] === undefined
        ? config['table.fields.additional.error.on.missing']
        : config['table.field.additional.missing'] === 'error',
    onInvalidOperation: config['table.op.invalid.behavior'],
    expandJson: config['table.expand.json.payload'] ? expandJson : undefined,
    topicRegex: namingKey('route.topic.regex', () => new RegExp(config['route.topic.regex'])),
    topicReplacement: config['route.topic.replacement'],
    tombstoneOnEmptyPayload: config['route.tombstone.on.empty.payload'],
    tenant:
      config['route.tenant.field'] === ''
        ? undefined
        : {
            topicReplacement: config['route.tenant.topic.replacement'],
            header: config['route.tenant.header'],
          },
    tracesAll: !config['tracing.with.context.field.only'],
    nullKeys: config['key.null.behavior'],
    rowBytesMax: 2 * config['producer.max.request.size'] + ROW_BYTES_BESIDE_RECORD,
    converters: converters(config),
    values: valueOptions(config),
    topicPrefix: config['topic.prefix'],
    contextHeaders: config['extended.headers.enabled'] ? contextHeaders(config) : [],
  }
}

/** As Debezium's connector for Postgres fills them; a run is one start of the process. */
function contextHeaders(config: RelayConfig): RoutingOptions['contextHeaders'] {
  return [
    ['__debezium.context.connectorLogicalName', config['topic.prefix']],
    ['__debezium.context.taskId', '0'],
    ['__debezium.context.connectorName', 'postgresql'],
    ['__debezium.context.runId', RUN_ID],
  ]
}

const RUN_ID = randomUUID()

function namingKey<Value>(key: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (error) {
    throw new Error(`${key}: ${errorMessage(error)}`, { cause: error })
  }
}
